import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface KeyPair {
  accessKeyId: string
  secretAccessKey: string
}

const maxSkewMs = 15 * 60 * 1000

/** Checks a request's SigV4 header signature (AWS General Reference, "Signature Version 4"); answers the S3 error code, if any. */
export function signatureProblem(
  request: IncomingMessage,
  body: Buffer,
  { pair, now }: { pair: KeyPair; now: number },
): string | undefined {
  const fields =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    )
  if (!fields) return 'AccessDenied'
  const [, id = '', day = '', region = '', signedHeaders = '', signature = ''] = fields
  if (id !== pair.accessKeyId) return 'InvalidAccessKeyId'

  const time = String(request.headers['x-amz-date'])
  if (!(Math.abs(parseTime(time) - now) <= maxSkewMs)) return 'RequestTimeTooSkewed'

  const payloadHash = String(request.headers['x-amz-content-sha256'])
  if (payloadHash !== 'UNSIGNED-PAYLOAD' && payloadHash !== sha256(body)) {
    return 'XAmzContentSHA256Mismatch'
  }

  const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s)
  const names = signedHeaders.split(';')
  const canonicalRequest = [
    request.method,
    path,
    canonicalQuery(query),
    ...names.map((name) => `${name}:${headerText(request, name)}`),
    '',
    signedHeaders,
    payloadHash,
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonicalRequest)].join('\n')
  const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => hmac(secret, part),
    `AWS4${pair.secretAccessKey}`,
  )
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch'
}

function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .toSorted()
    .join('&')
}

function headerText(request: IncomingMessage, name: string): string {
  const value = request.headers[name] ?? ''
  return (Array.isArray(value) ? value.join(',') : value).trim().replaceAll(/ +/g, ' ')
}

/** `20260131T235959Z` */
function parseTime(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
