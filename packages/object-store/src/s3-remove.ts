import { S3Failure } from './s3-failure.ts'
import type { S3RemoveError } from './s3-requests.ts'
import type { S3Session } from './s3-session.ts'
import type { RequestOptions } from './store.ts'

// The limit of DeleteObjects.
const batchSize = 1000
// Some servers (versitygw 1.8.0) say so of a key that someone else removes at the same moment.
const goneCode = 'NoSuchKey'
const passingCodes = ['InternalError', 'SlowDown', 'ServiceUnavailable', 'Unconfirmed']

/** Removes full keys, in batches where the service can, else one by one; answers what is left. */
export async function removeKeys(
  session: S3Session,
  keys: readonly string[],
  options: RequestOptions,
): Promise<S3RemoveError[]> {
  const left: S3RemoveError[] = []
  let canBatch = session.settings.provider.deleteObjects && keys.length > 1
  for (let at = 0; at < keys.length; at += batchSize) {
    const batch = keys.slice(at, at + batchSize)
    const failed = canBatch ? await removeBatch(session, batch, options) : undefined
    canBatch &&= failed !== undefined
    left.push(...(failed ?? (await removeEach(session, batch, options))))
  }
  return left
}

/** `undefined` when the service has no DeleteObjects. */
async function removeBatch(
  session: S3Session,
  keys: readonly string[],
  options: RequestOptions,
): Promise<S3RemoveError[] | undefined> {
  let failed: S3RemoveError[]
  try {
    const answer = await session.attempt(options, (signal) =>
      session.requests.removeMany(keys, signal),
    )
    failed = answer.filter(({ code }) => code !== goneCode)
  } catch (error) {
    if (error instanceof S3Failure && ['unsupported', 'refused'].includes(error.kind))
      return undefined
    throw error
  }
  const passing = failed.filter(({ code }) => passingCodes.includes(code))
  if (passing.length === 0) return failed
  const again = passing.map(({ key }) => key)
  return [
    ...failed.filter(({ code }) => !passingCodes.includes(code)),
    ...(await removeEach(session, again, options)),
  ]
}

async function removeEach(
  session: S3Session,
  keys: readonly string[],
  options: RequestOptions,
): Promise<S3RemoveError[]> {
  const left: S3RemoveError[] = []
  await Promise.all(
    keys.map(async (key) => {
      try {
        await session.attempt(options, (signal) => session.requests.removeOne(key, signal))
      } catch (error) {
        if (!(error instanceof S3Failure)) throw error
        if (error.kind === 'missing') return
        // What stops every request is no matter of one key.
        if (error.kind !== 'denied' && error.kind !== 'refused' && error.kind !== 'retry')
          throw error
        left.push({ key, code: error.code ?? error.kind, message: error.message })
      }
    }),
  )
  return left
}
