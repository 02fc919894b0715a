import { formatDuration } from '../reporters/format.ts'
import { timeForShutdown } from './grace.ts'
import { type HistoryLine, historyPlace, readHistory, slowestShutdown } from './history.ts'
import { stateDirectories } from './state-directory.ts'

/** A shutdown that took this much of its time was cut, or nearly so. */
const nearlyAll = 0.9

/**
 * A warning where the recipe's last shutdowns took longer than a SIGTERM would leave them; `undefined` where they fit, and where nothing
 * is known of them.
 */
export function slowShutdownWarning(
  lines: readonly HistoryLine[],
  { recipe, graceMs }: { recipe: string; graceMs: number },
): string | undefined {
  const slowest = slowestShutdown(lines, recipe)
  const timeMs = timeForShutdown(graceMs)
  if (slowest === undefined || slowest.durationMs < timeMs * nearlyAll) return undefined
  const times = slowest.of === 1 ? 'the last shutdown' : `the last ${slowest.of} shutdowns`
  return (
    `${times} took up to ${formatDuration(slowest.durationMs)}, and the grace of ${formatDuration(graceMs)} leaves ${formatDuration(timeMs)}: ` +
    'a SIGTERM will cut what is not saved by then; give more with `--grace`, and tell the platform, or save more often with `every:`'
  )
}

export interface TimedStep {
  id: string
  needs: readonly string[]
  optional: boolean
  timeoutMs: number | undefined
}

/** A warning where the timeouts of the shutdown's steps, one after another as they need each other, are longer than its time. */
export function longTimeoutsWarning(
  steps: readonly TimedStep[],
  graceMs: number,
): string | undefined {
  const totalMs = longestChainMs(steps)
  const timeMs = timeForShutdown(graceMs)
  if (totalMs <= timeMs) return undefined
  return (
    `the timeouts of the shutdown’s steps add up to ${formatDuration(totalMs)}, and the grace of ${formatDuration(graceMs)} leaves ` +
    `${formatDuration(timeMs)}: what takes as long as it may is cut when the container is told to stop`
  )
}

/** What is to be feared for a recipe's shutdown, from the history of this machine and the steps' timeouts. Reads files, writes none. */
export async function shutdownWarnings(
  recipe: { name: string; steps: readonly TimedStep[]; graceMs: number },
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const histories = stateDirectories(undefined, env).map(async (directory) =>
    readHistory((await historyPlace(env, directory)).file),
  )
  const lines = (await Promise.all(histories)).find((each) => each.length > 0)
  const { name, steps, graceMs } = recipe
  const slow = slowShutdownWarning(lines ?? [], { recipe: name, graceMs })
  return [slow, longTimeoutsWarning(steps, graceMs)].filter((text) => text !== undefined)
}

/** What is optional is dropped when the time is short, and what has no timeout promises nothing. */
function longestChainMs(steps: readonly TimedStep[]): number {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const ends = new Map<string, number>()
  const endOf = (id: string): number => {
    const known = ends.get(id)
    if (known !== undefined) return known
    const { needs = [], optional = true, timeoutMs = 0 } = byId.get(id) ?? {}
    const end = Math.max(0, ...needs.map(endOf)) + (optional ? 0 : timeoutMs)
    ends.set(id, end)
    return end
  }
  return Math.max(0, ...steps.map(({ id }) => endOf(id)))
}
