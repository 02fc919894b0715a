import { type BerthError, done, type PlannedAction, type StepContext } from '@berth/core'
import { checkBucket } from '../preflight/check-bucket.ts'
import { readFuseFacts } from '../preflight/fuse-facts.ts'
import { judgeFuse } from '../preflight/judge-fuse.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { findPlaces } from '../mount/places.ts'
import { defaultOptions } from '../driver/link-options.ts'
import { defaultStoreUrl } from '@berth/object-store'
import { requireStore } from './inputs.ts'

export interface TestInputs {
  store: string
}

/** What checking needs of a step's context. */
export type TestContext = Pick<StepContext<TestInputs>, 'inputs' | 'env' | 'log' | 'signal'>

type Question = Pick<StepContext<TestInputs>, 'inputs' | 'env'>

export function planTest({ inputs, env }: Question): PlannedAction {
  const store = requireStore(inputs.store, defaultStoreUrl(env))
  return { action: 'run', summary: `checks ${store} and whether this container may mount` }
}

/** Says what this container and the bucket can do, each check with its cause and cure. Throws the first thing that keeps a link from working. */
export async function testLink({ inputs, env, log, signal }: TestContext) {
  const store = requireStore(inputs.store, defaultStoreUrl(env))
  const places = findPlaces(env)
  // The driver is of no account here: the bucket is asked through its own API.
  const spec = createMountSpec({ store, env, driver: 'watch', options: defaultOptions, places })
  const problems = judgeFuse(readFuseFacts(env['PATH']), false)
  for (const problem of problems) sayProblem(log, problem)
  if (problems.length === 0) log('mounting ✔ this container may mount')
  const checks = await checkBucket(spec, signal)
  for (const { name, result, said, ms } of checks) {
    if (result === 'ok') log(`${name} ✔ ${said} (${ms} ms)`)
    if (result === 'warning') log.warn(`${name} ⚠ ${said}`)
  }
  const failed = checks.find(({ error }) => error !== undefined)
  if (failed?.error !== undefined) throw failed.error
  return done({ mounts: problems.length === 0, bucket: spec.bucket })
}

function sayProblem(log: StepContext['log'], { message, hint }: BerthError): void {
  log.warn(`mounting ⚠ ${message}; a folder is watched instead`)
  if (hint !== undefined) log(`  to mount: ${hint}`)
}
