import type { Life } from '../report/life.ts'
import type { Ground } from './ground.ts'
import type { BuildScenario } from './scenario.ts'
import { endOrphans, startBerth, Watch, within } from './watch.ts'

/** How a build went. */
export interface BuildEnd {
  life: Life
  exitCode: number | null
  /** The names of processes that were left behind; they have been killed. */
  orphans: string[]
  /** Names of secrets whose value was printed. */
  leaked: string[]
  /** It was not done in time, and was killed. */
  isLate: boolean
  /** What it said beside its events. */
  stderr: string
}

export interface BuildTrialOptions {
  recipe: string
  scenario: BuildScenario
  ground: Ground
  /** How long it may take. */
  limitMs: number
  signal: AbortSignal
}

/** Runs a recipe's build to its end, and looks at what is left. */
export async function tryBuild(options: BuildTrialOptions): Promise<BuildEnd> {
  const { recipe, scenario, ground, limitMs, signal } = options
  const args = ['run', recipe, 'build', ...ground.setArguments(scenario), '--json']
  const child = startBerth(args, scenario, ground.env(scenario))
  const watch = new Watch(child, recipe, ground.secrets)
  const kill = (): boolean => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  const ended = watch.ended.then(() => true)
  const isLate = (await within(limitMs, ended)) === undefined
  if (isLate) kill()
  await ended
  signal.removeEventListener('abort', kill)
  const orphans = await endOrphans(ground.mark)
  const { life, leaked, stderr } = watch
  return { life, exitCode: child.exitCode, orphans, leaked: [...leaked], isLate, stderr }
}
