import type { RecordLeftOut, RecordLine } from './record-line.ts'

type Log = Extract<RecordLine, { type: 'step:log' }>

/** Of what a step says, so many lines from its beginning and from its end are kept; of a smaller share of the record half as many, … */
const keptFirst = 100
const keptLast = 400

/** Rounds while main runs, of which most find nothing to do. */
const keptRounds = 20

/** The rest is small; only a storm of it is cut. */
const keptOthers = 2000

/**
 * The lines of a record without what it can spare, in their order: of a chatty step the middle, of progress all but the last, of rounds
 * all but the latest. What is left out is counted in its place. The result is smaller than `mostBytes` unless what must stay is not.
 */
export function thinRecord(lines: readonly RecordLine[], mostBytes: number): RecordLine[] {
  const spare = thinProgress(thinRounds(thinOthers(lines)))
  for (let share = 1; ; share /= 2) {
    const [first, last] = [Math.floor(keptFirst * share), Math.ceil(keptLast * share)]
    const thinned = thinLogs(spare, first, last)
    if (share < 1 / 64 || sizeOf(thinned) <= mostBytes) return thinned
  }
}

function sizeOf(lines: readonly RecordLine[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(JSON.stringify(line)) + 1, 0)
}

function thinLogs(lines: readonly RecordLine[], first: number, last: number): RecordLine[] {
  const total = countBy(lines.filter(isLog), logKey)
  const seen = new Map<string, number>()
  const leftOut = new LeftOut()
  const kept: RecordLine[] = []
  for (const line of lines) {
    if (isStepLeftOut(line)) {
      leftOut.add(line.step, line.lines, line.time)
      continue
    }
    if (!isLog(line)) {
      kept.push(line)
      continue
    }
    const key = logKey(line)
    const index = seen.get(key) ?? 0
    seen.set(key, index + 1)
    const isKept = index < first || index >= (total.get(key) ?? 0) - last
    if (!isKept) leftOut.add(line.step, 1, line.time)
    // Where lines are missing is said before the first that follows them.
    else kept.push(...(index < first ? [] : leftOut.take(line.step)), line)
  }
  return [...kept, ...leftOut.takeAll()]
}

/** Counts of lines that were left out, by step, until they are said. */
class LeftOut {
  #counts = new Map<string, { lines: number; time: number }>()

  add(step: string, lines: number, time: number): void {
    const before = this.#counts.get(step)
    this.#counts.set(step, { lines: (before?.lines ?? 0) + lines, time: before?.time ?? time })
  }

  take(step: string): RecordLeftOut[] {
    const found = this.#counts.get(step)
    this.#counts.delete(step)
    return found === undefined ? [] : [{ type: 'record:left-out', step, ...found }]
  }

  takeAll(): RecordLeftOut[] {
    return [...this.#counts.keys()].flatMap((step) => this.take(step))
  }
}

function thinProgress(lines: readonly RecordLine[]): RecordLine[] {
  const last = new Map<string, RecordLine>()
  for (const line of lines) if (line.type === 'step:progress') last.set(barKey(line), line)
  return lines.filter((line) => line.type !== 'step:progress' || last.get(barKey(line)) === line)
}

function thinRounds(lines: readonly RecordLine[]): RecordLine[] {
  const starts = lines.filter((line) => line.type === 'pipeline:start' && line.periodic === true)
  const dropped = new Set(starts.slice(0, Math.max(0, starts.length - keptRounds)))
  let [count, failed, time] = [0, 0, 0]
  let steps: ReadonlySet<string> | undefined
  const kept = lines.filter((line) => {
    if (line.type === 'record:left-out' && line.rounds !== undefined) {
      count += line.rounds.count
      failed += line.rounds.failed
      time = line.time
      return false
    }
    if (dropped.has(line) && line.type === 'pipeline:start') {
      steps = new Set(line.steps.map(({ id }) => id))
      count += 1
      time = line.time
      return false
    }
    if (steps === undefined) return true
    if (line.type === 'pipeline:end' && line.periodic === true) {
      steps = undefined
      if (line.result === 'failed') failed += 1
      return false
    }
    return !('step' in line && line.step !== undefined && steps.has(line.step))
  })
  if (count === 0) return kept
  const summary: RecordLeftOut = { type: 'record:left-out', time, rounds: { count, failed } }
  const at = kept.findIndex((line) => line.type === 'pipeline:start' && line.periodic === true)
  return at === -1 ? [...kept, summary] : kept.toSpliced(at, 0, summary)
}

/** Notes, signals and errors: a few in a life, unless something is wrong. */
function thinOthers(lines: readonly RecordLine[]): RecordLine[] {
  const others = ['note', 'wait', 'signal', 'shutdown:asked', 'error', 'step:retry']
  const isOther = ({ type }: RecordLine) => others.includes(type)
  const total = lines.filter(isOther).length
  let index = 0
  return lines.filter((line) => {
    if (!isOther(line)) return true
    index += 1
    return index <= keptOthers / 2 || index > total - keptOthers / 2
  })
}

function isLog(line: RecordLine): line is Log {
  return line.type === 'step:log'
}

function isStepLeftOut(line: RecordLine): line is RecordLeftOut & { step: string; lines: number } {
  return line.type === 'record:left-out' && line.step !== undefined && line.lines !== undefined
}

/** Warnings must not go under in what a command printed. */
function logKey({ step, level }: Log): string {
  return `${level === 'warn' ? 'warn' : 'said'} ${step}`
}

function barKey({ step, progress }: Extract<RecordLine, { type: 'step:progress' }>): string {
  return `${step}\n${progress.label ?? ''}`
}

function countBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1)
  return counts
}
