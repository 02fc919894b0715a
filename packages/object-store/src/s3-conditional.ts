import { createHash, randomUUID } from 'node:crypto'
import { reservedComponent } from './key.ts'
import { readFailure, S3Failure } from './s3-failure.ts'
import type { S3Session } from './s3-session.ts'
import type { PutOptions, RequestOptions } from './store.ts'

/**
 * One conditional put. `ours-or-theirs`: the object exists, and an earlier try of ours, whose answer was lost, may have written it.
 * `unsupported`: the server knows no conditions.
 */
export type ConditionalPutResult = 'written' | 'exists' | 'ours-or-theirs' | 'unsupported'

export async function putIfAbsent(
  session: S3Session,
  key: string,
  body: Uint8Array,
  options: PutOptions,
): Promise<ConditionalPutResult> {
  let answerLost = false
  return session.attempt(options, async (signal) => {
    // A server that refuses may close the connection before it has read the body, and then the refusal is lost too.
    if (answerLost && (await exists(session, key, signal))) return 'ours-or-theirs'
    try {
      const { sha256 } = options
      await session.requests.put(session.fullKey(key), body, { ifAbsent: true, sha256, signal })
      return 'written'
    } catch (error) {
      const failure = readFailure(error)
      if (failure?.kind === 'precondition') return answerLost ? 'ours-or-theirs' : 'exists'
      if (failure?.kind === 'unsupported') return 'unsupported'
      if (failure?.kind === 'retry') answerLost = true
      throw error
    }
  })
}

async function exists(
  session: S3Session,
  key: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await session.requests.head(session.fullKey(key), signal)
    return true
  } catch (error) {
    if (readFailure(error)?.kind === 'missing') return false
    throw error
  }
}

/** Whether an MD5 ETag is that of these bytes. */
export function matchesEtag(etag: string | undefined, body: Uint8Array): boolean {
  return etag !== undefined && createHash('md5').update(body).digest('hex') === etag
}

/** Finds out by writing twice whether `If-None-Match: *` is honoured; leaves nothing behind. */
export async function probeConditionalPut(
  session: S3Session,
  options: RequestOptions,
): Promise<boolean> {
  const key = `${reservedComponent}/probe-${randomUUID()}`
  try {
    const first = await putIfAbsent(session, key, Buffer.from('berth'), options)
    if (first === 'unsupported') return false
    return (await putIfAbsent(session, key, Buffer.from('probe'), options)) === 'exists'
  } finally {
    await session
      .attempt(options, (signal) => session.requests.removeOne(session.fullKey(key), signal))
      .catch((error: unknown) => {
        // The reserved name hides a probe that could not be removed.
        if (!(error instanceof S3Failure)) throw error
      })
  }
}
