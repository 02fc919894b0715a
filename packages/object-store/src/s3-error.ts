import { BerthError } from '@berth/core/error'
import type { FailureKind, S3Failure } from './s3-failure.ts'
import type { S3Settings } from './settings.ts'

/** What was being done, for the message. */
export interface Doing {
  verb: 'read' | 'stat' | 'write' | 'list' | 'remove' | 'probe'
  /** Without the store's prefix; absent for the store as a whole. */
  key?: string
}

interface Cure {
  code: string
  hint: (settings: S3Settings) => string
}

const serverError: Cure = {
  code: 'server-error',
  hint: () => 'try again later; look at the status page of the service',
}

const cures: Partial<Record<FailureKind, Cure>> = {
  unreachable: {
    code: 'unreachable',
    hint: (settings) =>
      `check the endpoint ${endpointOf(settings)} and that this machine can reach it`,
  },
  untrusted: {
    code: 'unreachable',
    hint: (settings) =>
      `check that ${endpointOf(settings)} has the right scheme (http or https) and a certificate that this machine trusts (NODE_EXTRA_CA_CERTS)`,
  },
  skew: { code: 'clock-skew', hint: () => "set this machine's clock: it is far off the server's" },
  'no-bucket': {
    code: 'no-such-bucket',
    hint: ({ bucket }) =>
      `create the bucket \`${bucket}\`, or correct its name, the endpoint or the region`,
  },
  missing: { code: 'no-such-bucket', hint: ({ bucket }) => `create the bucket \`${bucket}\`` },
  denied: {
    code: 'access-denied',
    hint: ({ bucket }) =>
      `allow this key to get, put, list and delete objects in the bucket \`${bucket}\``,
  },
  'bad-credentials': {
    code: 'bad-credentials',
    hint: ({ provider }) =>
      provider.id === 'runpod'
        ? "check RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY (an S3 API key, not the RunPod API key), and this machine's clock"
        : "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, for temporary keys AWS_SESSION_TOKEN, and this machine's clock",
  },
  'no-credentials': {
    code: 'no-credentials',
    hint: () =>
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY)',
  },
  'wrong-region': {
    code: 'wrong-region',
    hint: ({ region }) =>
      `the request was signed for \`${region}\`: add \`?region=…\` to the store URL, or set AWS_REGION`,
  },
  'no-room': { code: 'no-room', hint: () => 'free some space in the bucket, or raise its quota' },
  'name-taken': {
    code: 'not-a-directory',
    hint: () =>
      'this service keeps objects as files: choose another key, or remove the object above it',
  },
  'not-encrypted': {
    code: 'not-encrypted',
    hint: ({ bucket }) =>
      `remove what was written to the bucket \`${bucket}\`, and unset BERTH_SSE_C_KEY or choose a service that knows SSE-C`,
  },
  retry: serverError,
  conflict: serverError,
}

/** The error that a user sees when a request failed for good. */
export function s3Error(failure: S3Failure, doing: Doing, settings: S3Settings): BerthError {
  const place = storeUrl(settings)
  const what = doing.key === undefined ? place : `\`${doing.key}\` in ${place}`
  const cure = cures[failure.kind] ?? {
    code: 'refused',
    hint: () => 'see what the service says about this answer',
  }
  const tries = failure.attempts > 1 ? ` (${failure.attempts} tries)` : ''
  const at =
    failure.kind === 'unreachable' || failure.kind === 'untrusted'
      ? `${endpointOf(settings)}: `
      : ''
  return new BerthError(
    `object-store/${cure.code}`,
    `could not ${doing.verb === 'stat' ? 'look at' : doing.verb} ${what}: ${at}${failure.message}${tries}`,
    { hint: cure.hint(settings) },
  )
}

/** What identifies the store: the bucket, the prefix and, outside Amazon, the endpoint. */
export function storeUrl({ bucket, prefix, endpoint }: S3Settings): string {
  const path = prefix === '' ? bucket : `${bucket}/${prefix}`
  return endpoint ? `s3://${path}?endpoint=${endpoint.href.replace(/\/$/, '')}` : `s3://${path}`
}

function endpointOf({ endpoint, region }: S3Settings): string {
  return endpoint?.href.replace(/\/$/, '') ?? `https://s3.${region}.amazonaws.com`
}
