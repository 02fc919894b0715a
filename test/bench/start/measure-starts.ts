import * as fs from 'node:fs'
import * as path from 'node:path'
import { measure } from '../measure.ts'
import { missingProgram } from '../programs.ts'
import { type Start, starts, writeEmptyRecipe } from './starts.ts'

/** A start is short: so many of each make a round. */
const TIMES = 3

export interface StartTimes extends Omit<Start, 'command'> {
  /** Why it could not be measured. */
  missing?: string
  ms: number[]
  /** Of all processes of the command, to the end of it. */
  cpuMs: number[]
}

/** Starts everything in every round, in turned order. */
export async function measureStarts(
  rounds: number,
  surroundings: { env: Record<string, string>; folder: string; processors: string },
): Promise<StartTimes[]> {
  const recipe = writeEmptyRecipe(surroundings.folder)
  const series = starts().map(({ command, ...start }) => {
    const missing = missingOf(start)
    return { ...start, command, ms: [], cpuMs: [], ...(missing === undefined ? {} : { missing }) }
  })
  const present: (StartTimes & Start)[] = series.filter(({ missing }) => missing === undefined)
  // The first round reads the programs from the disk.
  for (let round = -1; round < rounds * TIMES; round += 1) {
    const turned = present.map((_, at) => present[(at + round + 1) % present.length])
    for (const start of turned) {
      if (start === undefined) continue
      const { ms, cpuMs } = await once(start, recipe, surroundings)
      if (round < 0) continue
      start.ms.push(ms)
      start.cpuMs.push(cpuMs)
    }
  }
  return series
}

function missingOf({ needs, isContainer }: Pick<Start, 'needs' | 'isContainer'>) {
  if (isContainer && process.getuid?.() !== 0) return 'a pid namespace needs root'
  return missingProgram(needs)
}

async function once(
  start: Start,
  recipe: string,
  { env, folder, processors }: { env: Record<string, string>; folder: string; processors: string },
): Promise<{ ms: number; cpuMs: number }> {
  const [begin, app, state] = ['begin', 'app', 'state'].map((name) => path.join(folder, name))
  fs.rmSync(state ?? '', { recursive: true, force: true })
  const noteTime = `date +%s%N > "$0"`
  const command = start.command(['sh', '-c', noteTime, app ?? ''], recipe)
  const cost = await measure(
    [
      [
        start.isContainer
          ? ['sh', '-c', `${noteTime}; exec "$@"`, begin ?? '', ...command]
          : command,
      ],
    ],
    { env: { ...env, BERTH_STATE_DIR: state ?? '' }, folder, processors },
  )
  const ms = start.isContainer ? (timeIn(app) - timeIn(begin)) / 1e6 : cost.wallSeconds * 1000
  return { ms, cpuMs: cost.cpuSeconds * 1000 }
}

function timeIn(file = ''): number {
  return Number(fs.readFileSync(file, 'utf8'))
}
