import { isAbsolute, join } from 'node:path'
import { done, type PlannedAction, type StepContext } from '@berth/core'
import { defaultStoreUrl } from '@berth/object-store'
import { checkLines, readReport } from '../preflight/report.ts'
import { requireStore } from './inputs.ts'

export interface TestInputs {
  workspace: string
  folder: string
  user: string
  store: string
}

type Question = Pick<StepContext<TestInputs>, 'inputs' | 'env'>

export function planTest({ inputs, env }: Question): PlannedAction {
  const store = requireStore(inputs.store, defaultStoreUrl(env))
  return { action: 'run', summary: `checks ${store} and whether this container may mount` }
}

/** Says what this container and the bucket can do, each check with its cause and cure. Throws the first thing that keeps a link from working. */
export async function testLink(
  context: Question & Pick<StepContext<TestInputs>, 'workingDirectory' | 'log' | 'signal'>,
) {
  const { inputs, env, workingDirectory, log, signal } = context
  const workspace = isAbsolute(inputs.workspace)
    ? inputs.workspace
    : join(workingDirectory, inputs.workspace)
  const report = await readReport({ ...inputs, workspace, env, signal })
  for (const check of report.checks) {
    const isBad = check.result === 'warning' || check.result === 'failed'
    for (const line of checkLines(check)) (isBad ? log.warn : log)(line)
  }
  if (report.error !== undefined) throw report.error
  return done({
    mounts: report.driver !== 'watch',
    driver: report.driver,
    bucket: report.bucket ?? '',
  })
}
