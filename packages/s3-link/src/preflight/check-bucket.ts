import type { BerthError } from '@berth/core/error'
import type { MountSpec } from '../driver/driver.ts'
import { fileStoreOf, storeOf } from '../mount/store-of.ts'
import { type Check, type Question, runChecks } from './check.ts'
import { type EndpointProbe, endpointChecks } from './endpoint-checks.ts'
import { type ObjectProbe, objectChecks } from './object-checks.ts'

const patience = { attempts: 2, attemptsToReach: 1, connectMs: 5_000, stallMs: 8_000 }

/**
 * Checks a bucket step by step, from its address to removing what was written, and stops at the first that fails: the rest would only
 * repeat it. Leaves nothing in the bucket where the key may remove objects.
 */
export async function checkBucket(
  spec: MountSpec,
  signal: AbortSignal,
): Promise<{ checks: Check[]; error: BerthError | undefined }> {
  const files = await fileStoreOf(spec, signal, patience)
  const url = new URL(spec.endpoint ?? `https://s3.${spec.region}.amazonaws.com`)
  const endpoint: EndpointProbe = { spec, url, signal }
  const questions: Question<EndpointProbe & ObjectProbe>[] = [
    ...endpointChecks(endpoint),
    ...objectChecks(),
  ]
  try {
    return await runChecks(questions, { ...endpoint, files })
  } finally {
    await files.close()
  }
}

/** Throws what is wrong with a bucket, as its own API says it, within seconds: a driver would only say that it ended. */
export async function requireBucketAnswers(spec: MountSpec, signal: AbortSignal): Promise<void> {
  const store = await storeOf(spec, { signal, patience })
  try {
    for await (const _ of store.list('', { signal })) break
  } finally {
    await store.close()
  }
}
