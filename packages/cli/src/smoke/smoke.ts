import type { PipelineResult } from '@berth/core'
import { formatDuration } from '../reporters/format.ts'
import { statusOf } from '../report/status.ts'
import type { LoadedRecipe } from '../load.ts'
import type { Ground } from './ground.ts'
import { keptDirectories, markDirectories, unrestored } from './kept-directories.ts'
import { obstacleOf, type Place, type Scenario } from './scenario.ts'
import { type TrialEnd, tryLife } from './trial.ts'

/** How a scenario went. */
export interface SmokeResult {
  scenario: string
  ok: boolean
  /** Why it was not played. */
  skipped?: string
  bootMs?: number
  shutdownMs?: number
  graceMs?: number
  buildMs?: number
  /** How many steps of plugins did something in a build that had nothing left to do. */
  repeated?: number
  exitCode?: number | null
  /** What a user must look at. */
  problems: string[]
  /** The cure, where it is known. */
  hint?: string
  /** What is not as good as it could be. */
  warnings: string[]
  /** How many directories came back that the scenario before had saved. */
  restored: number
}

export interface SmokeOptions {
  recipe: string
  ground: Ground
  /** Loads the recipe with the values of a scenario. */
  load: (place: Place) => Promise<LoadedRecipe>
  command: readonly string[]
  /** How long a boot or a build may take. */
  bootMs: number
  strict: boolean
  signal: AbortSignal
}

/** What a main that only waits ends with when SIGTERM ends it. */
const endedBySigterm = 143

/** Plays the lives of pods, one after the other, and yields how each went. */
export async function* playPods(
  scenarios: readonly Scenario[],
  options: SmokeOptions,
): AsyncGenerator<SmokeResult> {
  let left: string | undefined
  for (const [index, scenario] of scenarios.entries()) {
    const mark = `${options.ground.mark} ${index}`
    const result = await playIfPossible(scenario, options, () =>
      play(scenario, options, { before: left, mark }),
    )
    if (result.bootMs !== undefined) left = mark
    yield result
  }
}

/** Plays a scenario, or says why this machine does not allow it. Throws when the signal has come. */
export async function playIfPossible(
  place: Place,
  { ground, signal }: SmokeOptions,
  play: () => Promise<SmokeResult>,
): Promise<SmokeResult> {
  signal.throwIfAborted()
  const obstacle = obstacleOf(place, ground.directory)
  return obstacle === undefined ? play() : skippedFor(place, obstacle)
}

/** What is told of a scenario that was not played. */
export function skippedFor({ name }: Place, why: string): SmokeResult {
  return { scenario: name, ok: true, skipped: why, problems: [], warnings: [], restored: 0 }
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
    [late !== 'boot' && isWorse(life.boot?.result), whatBecame('boot', life.boot?.result)],
    [
      life.boot?.endedAt !== undefined && isWorse(life.shutdown?.result),
      whatBecame('shutdown', life.shutdown?.result),
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

/** How a pipeline ended that did not end well. */
export function whatBecame(pipeline: string, result: PipelineResult | undefined): string {
  if (result === undefined) return `the ${pipeline} is missing`
  return result === 'failed' ? `the ${pipeline} failed` : `the ${pipeline} is ${result}`
}

/** What the boot or the build itself says of what went wrong. */
export function failures({ life, stderr }: Pick<TrialEnd, 'life' | 'stderr'>): string[] {
  const { failed, errors } = statusOf(life, { isAlive: false, now: life.lastAt })
  const said = failed.map(({ step, message }) => `${step}: ${message}`)
  const all = [...said, ...errors]
  // Where it did not come to events.
  const hasBegun = life.boot !== undefined || life.build !== undefined
  return all.length > 0 || hasBegun ? all : stderr.trimEnd().split('\n').slice(-10)
}
