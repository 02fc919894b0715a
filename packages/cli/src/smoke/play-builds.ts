import type { PipelineLife } from '../report/life.ts'
import { formatDuration } from '../reporters/format.ts'
import { type BuildEnd, tryBuild } from './build-trial.ts'
import type { BuildScenario } from './scenario.ts'
import {
  failures,
  playIfPossible,
  skippedFor,
  whatBecame,
  type SmokeOptions,
  type SmokeResult,
} from './smoke.ts'

/** A recipe that only restores has nothing to restore here. */
const emptyStore =
  'the store is empty at first: set what makes the recipe save the archive before (such as `--set mode=push`), or name a store that has it (`--set store=s3://…`)'

/** Plays the builds, one after the other, and yields how each went. */
export async function* playBuilds(
  scenarios: readonly BuildScenario[],
  options: SmokeOptions,
): AsyncGenerator<SmokeResult> {
  let isBuilt = false
  for (const scenario of scenarios) {
    const play = (): Promise<SmokeResult> => playBuild(scenario, options)
    const result: SmokeResult =
      scenario.again === true && !isBuilt
        ? skippedFor(scenario, 'no build before it ended well')
        : await playIfPossible(scenario, options, play)
    isBuilt = result.ok && result.skipped === undefined
    yield result
  }
}

async function playBuild(scenario: BuildScenario, options: SmokeOptions): Promise<SmokeResult> {
  const { ground, bootMs: limitMs, strict } = options
  if (scenario.again !== true) ground.renew()
  const { recipe } = await options.load(scenario)
  const ofPlugins = (recipe.pipelines.build ?? []).filter(({ uses }) => uses !== undefined)
  const end = await tryBuild({ ...options, scenario, limitMs })
  const { build } = end.life
  const isAgain = scenario.again === true
  const repeated = isAgain ? doneIn(build, new Set(ofPlugins.map(({ id }) => id))) : []
  const wasteful = repeated.map((id) => `\`${id}\` did its work again, where nothing had changed`)
  const problems = [...problemsOf(end, options), ...(strict ? wasteful : [])]
  const isDegraded = build?.result === 'degraded' && !strict
  return {
    scenario: scenario.name,
    ok: problems.length === 0,
    ...(build?.endedAt === undefined ? {} : { buildMs: build.endedAt - build.startedAt }),
    exitCode: end.exitCode,
    problems,
    ...(problems.length > 0 && lacksArchive(build) ? { hint: emptyStore } : {}),
    warnings: [...(isDegraded ? failures(end) : []), ...(strict ? [] : wasteful)],
    restored: 0,
    ...(isAgain ? { repeated: repeated.length } : {}),
  }
}

function lacksArchive(build: PipelineLife | undefined): boolean {
  return build?.steps.some(({ error }) => error?.code === 'venv-archive/absent') === true
}

/** A script does what it does; a step of a plugin does nothing where nothing is missing. */
function doneIn(build: PipelineLife | undefined, ids: ReadonlySet<string>): string[] {
  const steps = build?.steps ?? []
  return steps.filter(({ id, result }) => ids.has(id) && result === 'done').map(({ id }) => id)
}

function problemsOf(end: BuildEnd, { bootMs, strict }: SmokeOptions): string[] {
  const { life, exitCode, isLate, orphans, leaked } = end
  const result = life.build?.result
  const isRight = result === 'ready' || (result === 'degraded' && !strict)
  const checks: (readonly [boolean, string])[] = [
    [isLate, `the build was not done after ${formatDuration(bootMs)}`],
    [!isLate && !isRight, whatBecame('build', result)],
    [isRight && exitCode !== 0, `the exit code is ${exitCode}, not 0`],
    [orphans.length > 0, `processes were left behind: ${orphans.join(', ')}`],
    [leaked.length > 0, `the value of ${leaked.join(', ')} was printed`],
  ]
  const found = checks.flatMap(([isSo, text]) => (isSo ? [text] : []))
  return found.length === 0 ? [] : [...found, ...failures(end)]
}
