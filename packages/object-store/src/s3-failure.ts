import { BerthError } from '@berth/core/error'

/**
 * What a failed try means. `retry`: worth another try, and a write may have happened. `unreachable`: worth another try, and nothing was
 * sent. All others are answers.
 */
export type FailureKind =
  | 'retry'
  | 'unreachable'
  | 'untrusted'
  | 'conflict'
  | 'skew'
  | 'missing'
  | 'no-bucket'
  | 'no-upload'
  | 'precondition'
  | 'range'
  | 'denied'
  | 'bad-credentials'
  | 'no-credentials'
  | 'wrong-region'
  | 'no-room'
  | 'name-taken'
  | 'not-encrypted'
  | 'unsupported'
  | 'refused'

/** One failed try. `detail` is what the server or the network said, in a few words. */
export class S3Failure extends Error {
  override readonly name = 'S3Failure'
  readonly kind: FailureKind
  /** The server's own word for it. */
  readonly code: string | undefined
  /** How often the request had been tried when it was given up. */
  attempts = 1
  /** The try brought a part of what was asked, so the next one has less to do. */
  progressed = false

  constructor(kind: FailureKind, detail: string, code?: string) {
    super(detail)
    this.kind = kind
    this.code = code
  }
}

interface SdkError extends Error {
  Code?: string
  code?: string
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean }
}

const kindsByCode: Record<string, FailureKind> = {
  NoSuchKey: 'missing',
  NotFound: 'missing',
  NoSuchBucket: 'no-bucket',
  NoSuchUpload: 'no-upload',
  PreconditionFailed: 'precondition',
  ConditionalRequestConflict: 'conflict',
  OperationAborted: 'conflict',
  InvalidRange: 'range',
  RequestTimeTooSkewed: 'skew',
  AccessDenied: 'denied',
  AllAccessDisabled: 'denied',
  InvalidAccessKeyId: 'bad-credentials',
  SignatureDoesNotMatch: 'bad-credentials',
  InvalidToken: 'bad-credentials',
  InvalidClientTokenId: 'bad-credentials',
  ExpiredToken: 'bad-credentials',
  TokenRefreshRequired: 'bad-credentials',
  InvalidSecurity: 'bad-credentials',
  // versitygw's answer to an unknown access key, with status 404.
  XAdminUserNotFound: 'bad-credentials',
  Unauthorized: 'bad-credentials',
  CredentialsProviderError: 'no-credentials',
  AuthorizationHeaderMalformed: 'wrong-region',
  PermanentRedirect: 'wrong-region',
  IllegalLocationConstraintException: 'wrong-region',
  // Services over a file system can't have `a` and `a/b`.
  ObjectParentIsFile: 'name-taken',
  ExistingObjectIsDirectory: 'name-taken',
  XMinioParentIsObject: 'name-taken',
  QuotaExceeded: 'no-room',
  InsufficientStorage: 'no-room',
  XMinioStorageFull: 'no-room',
  NotImplemented: 'unsupported',
  MethodNotAllowed: 'unsupported',
  InternalError: 'retry',
  SlowDown: 'retry',
  ServiceUnavailable: 'retry',
  RequestTimeout: 'retry',
  BadDigest: 'retry',
  IncompleteBody: 'retry',
  XAmzContentSHA256Mismatch: 'retry',
  TimeoutError: 'retry',
}

const kindsByStatus: Record<number, FailureKind> = {
  301: 'wrong-region',
  307: 'wrong-region',
  401: 'bad-credentials',
  403: 'denied',
  404: 'missing',
  405: 'unsupported',
  408: 'retry',
  412: 'precondition',
  416: 'range',
  429: 'retry',
  501: 'unsupported',
  507: 'no-room',
}

const notSent = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']
const untrusted =
  /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_|EPROTO$)/

/** Says what a thrown value means, or gives it back when it is no failure of a request. */
export function readFailure(error: unknown): S3Failure | undefined {
  if (error instanceof S3Failure) return error
  if (!(error instanceof Error) || error instanceof BerthError) return undefined
  const { Code, code, name, $metadata } = error as SdkError
  const status = $metadata?.httpStatusCode
  const network = networkFailure(code, error)
  if (network) return network
  if (status !== undefined && $metadata?.clockSkewCorrected && [400, 401, 403].includes(status)) {
    return new S3Failure('skew', describe(status, Code ?? name, error.message), Code ?? name)
  }
  const kind = kindsByCode[Code ?? name] ?? kindOfStatus(status, Code)
  if (kind === undefined) return undefined
  return new S3Failure(kind, describe(status, Code ?? name, error.message), Code ?? name)
}

/** Whether a failure is worth another try. */
export function isPassing(failure: S3Failure): boolean {
  return ['retry', 'unreachable', 'conflict', 'skew'].includes(failure.kind)
}

function networkFailure(code: string | undefined, error: Error): S3Failure | undefined {
  if (code === undefined) return undefined
  if (notSent.includes(code)) return new S3Failure('unreachable', networkReason(code))
  if (untrusted.test(code))
    return new S3Failure('untrusted', `${code}: ${tlsReason(error.message)}`)
  if (/^(E[A-Z]+|HPE_[A-Z_]+|ERR_STREAM_PREMATURE_CLOSE)$/.test(code)) {
    return new S3Failure('retry', networkReason(code))
  }
  return undefined
}

/** Of OpenSSL's line of numbers, routines and source files only what it found. */
function tlsReason(message: string): string {
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(message) ?? []
  return reason === undefined ? firstLine(message) : `the TLS handshake failed, ${reason}`
}

function networkReason(code: string): string {
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    ENOTFOUND: 'there is no such host',
    EAI_AGAIN: 'the name server did not answer',
    EHOSTUNREACH: 'no route to the host',
    ENETUNREACH: 'no route to the network',
    ECONNRESET: 'the connection was reset',
    EPIPE: 'the connection was closed',
    ETIMEDOUT: 'the connection timed out',
  }
  return `${reasons[code] ?? 'the connection failed'} (${code})`
}

function kindOfStatus(status?: number, code?: string): FailureKind | undefined {
  if (status === undefined) return undefined
  // A 404 with a word of its own for the reason does not say that the object is missing.
  if (status === 404 && code !== undefined) return 'refused'
  const known = kindsByStatus[status]
  if (known !== undefined) return known
  if (status >= 500) return 'retry'
  // The SDK could not parse what a 2xx brought: an error page with the wrong status.
  return status < 300 ? 'retry' : 'refused'
}

function describe(status: number | undefined, code: string, message: string): string {
  const said = firstLine(message)
  const label = [status, code === 'Error' ? undefined : code].filter(Boolean).join(' ')
  return said === '' || said === code || said === 'UnknownError' ? label : `${label}: ${said}`
}

/** Cut between words: of a key that the server repeats a part would be a secret that no mask knows. */
function firstLine(text: string): string {
  const line = (text.split('\n', 1)[0] ?? '').trim().replace(/\.$/, '')
  return line.length > 200 ? `${line.slice(0, 201).replace(/\S*$/, '').trim()}…` : line
}
