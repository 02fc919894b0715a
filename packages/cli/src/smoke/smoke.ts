import { formatDuration } from '../reporters/format.ts'
import { statusOf } from '../report/status.ts'
import type { LoadedRecipe } from '../load.ts'
import type { Ground } from './ground.ts'
import { keptDirectories, markDirectories, unrestored } from './kept-directories.ts'
import { obstacleOf, type Scenario } from './scenario.ts'
import { type TrialEnd, tryLife } from './trial.ts'

/** How a scenario went. */
export interface SmokeResult {
  scenario: string
  ok: boolean
  /** Why it was not played. */
  skipped?: string
  bootMs?: number
  shutdownMs?: number
  graceMs: number
  exitCode?: number | null
  /** What a user must look at. */
  problems: string[]
  /** What is not as good as it could be. */
  warnings: string[]
  /** How many directories came back that the scenario before had saved. */
  restored: number
}

export interface SmokeOptions {
  recipe: string
  scenarios: readonly Scenario[]
  ground: Ground
  /** Loads the recipe with the values of a scenario. */
  load: (scenario: Scenario) => Promise<LoadedRecipe>
  command: readonly string[]
  bootMs: number
  strict: boolean
  signal: AbortSignal
}

/** What a main that only waits ends with when SIGTERM ends it. */
const endedBySigterm = 143

/** Plays the scenarios, one after the other, and yields how each went. */
export async function* playScenarios(options: SmokeOptions): AsyncGenerator<SmokeResult> {
  let left: string | undefined
  for (const [index, scenario] of options.scenarios.entries()) {
    options.signal.throwIfAborted()
    const obstacle = obstacleOf(scenario, options.ground.directory)
    const { name, graceMs } = scenario
    if (obstacle !== undefined) {
      const none = { problems: [], warnings: [], restored: 0 }
      yield { scenario: name, ok: true, skipped: obstacle, graceMs, ...none }
      continue
    }
    const mark = `${options.ground.mark} ${index}`
    const result = await play(scenario, options, { before: left, mark })
    if (result.bootMs !== undefined) left = mark
    yield result
  }
}

async function play(
  scenario: Scenario,
  options: SmokeOptions,
  { before, mark }: { before: string | undefined; mark: string },
): Promise<SmokeResult> {
  options.ground.renew()
  const directories = keptDirectories(await options.load(scenario))
  let lacking: string[] = []
  const end = await tryLife({
    ...options,
    scenario,
    up: () => {
      if (before !== undefined) lacking = unrestored(directories, before)
      markDirectories(directories, mark)
    },
  })
  const problems = [
    ...problemsOf(end, scenario, options),
    ...lacking.map((directory) => `\`${directory}\` did not come back as it was saved`),
  ]
  const { boot, shutdown } = end.life
  const isDegraded = [boot?.result, shutdown?.result].includes('degraded')
  const warnings = isDegraded && !options.strict ? failures(end) : []
  return {
    scenario: scenario.name,
    ok: problems.length === 0,
    ...(boot?.endedAt === undefined ? {} : { bootMs: boot.endedAt - boot.startedAt }),
    ...(end.shutdownMs === undefined ? {} : { shutdownMs: end.shutdownMs }),
    graceMs: scenario.graceMs,
    exitCode: end.exitCode,
    problems,
    warnings,
    restored: before === undefined ? 0 : directories.length - lacking.length,
  }
}

function problemsOf(
  end: TrialEnd,
  { graceMs, secondTermMs }: Scenario,
  options: SmokeOptions,
): string[] {
  const { life, late, exitCode, shutdownMs = 0, orphans, leaked } = end
  // Of a second SIGTERM it is asked that what is optional is skipped.
  const isWorse = (result: string | undefined): boolean =>
    result !== 'ready' && (result !== 'degraded' || (options.strict && secondTermMs === undefined))
  const expected = life.main === undefined ? 0 : endedBySigterm
  const took = formatDuration(shutdownMs)
  const checks: (readonly [boolean, string])[] = [
    [late === 'boot', `the app was not up after ${formatDuration(options.bootMs)}`],
    [
      late !== 'boot' && isWorse(life.boot?.result),
      `the boot is ${life.boot?.result ?? 'missing'}`,
    ],
    [
      life.boot?.endedAt !== undefined && isWorse(life.shutdown?.result),
      `the shutdown is ${life.shutdown?.result ?? 'missing'}`,
    ],
    [shutdownMs > graceMs, `the shutdown took ${took}, longer than the grace`],
    [
      late === undefined && end.shutdownMs !== undefined && exitCode !== expected,
      `the exit code is ${exitCode}, not ${expected}`,
    ],
    [orphans.length > 0, `processes were left behind: ${orphans.join(', ')}`],
    [leaked.length > 0, `the value of ${leaked.join(', ')} was printed or recorded`],
  ]
  const found = checks.flatMap(([isSo, text]) => (isSo ? [text] : []))
  return found.length === 0 ? [] : [...found, ...failures(end)]
}

/** What the boot itself says of what went wrong. */
function failures({ life, stderr }: TrialEnd): string[] {
  const { failed, errors } = statusOf(life, { isAlive: false, now: life.lastAt })
  const said = failed.map(({ step, message }) => `${step}: ${message}`)
  const all = [...said, ...errors]
  // Where it did not come to events.
  return all.length > 0 || life.boot !== undefined ? all : stderr.trimEnd().split('\n').slice(-10)
}
