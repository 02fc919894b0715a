import type { Facts, StepResult } from '@berth/core'
import type { ErrorFacts } from '@berth/core/error'
import { type CriticalPath, criticalPath, durationOf } from './critical-path.ts'
import {
  type Life,
  type LifeState,
  type MainLife,
  type PipelineLife,
  stateOf,
  type StepLife,
} from './life.ts'

/** One row of a timeline. */
export interface ReportStep {
  id: string
  /** The ladder that it is a rung of. */
  of?: string
  name: string
  optional: boolean
  needs: string[]
  /** `lost`: the supervisor was gone before it ended. `cut`: the supervisor killed it; `unbegun`: and it had not begun. */
  result: StepResult | 'running' | 'waiting' | 'unbegun' | 'cut' | 'lost'
  /** From the beginning of its part. */
  startMs: number
  durationMs: number
  attempts: number
  retries: { attempt: number; delayMs: number; reason: string }[]
  reason?: string
  facts?: Facts
  error?: ErrorFacts
  /** What the recipe says of its failure. */
  explain?: string
  warnings: string[]
  /** What it took in the boot before, where it did something then too. */
  lastBootMs?: number
}

/** A part of a life with a timeline of its own. */
export interface ReportPart {
  name: 'boot' | 'deferred' | 'shutdown' | 'undo'
  startedAt: number
  durationMs: number
  /** Absent while it runs. */
  result?: string
  steps: ReportStep[]
  criticalPath?: CriticalPath
  /** What the same part took in the boot before. */
  lastBootMs?: number
}

/** Everything that is told of a boot, as data; texts are masked as the events were. */
export interface Report {
  recipe: string
  file: string
  state: LifeState
  startedAt: number
  /** Until it ended, or until now. */
  durationMs: number
  exitCode?: number
  /** It was killed, and `berth shutdown` put it away: when it was last heard of. */
  killedAt?: number
  parts: ReportPart[]
  main?: MainLife & { durationMs: number }
  rounds: Life['rounds']
  signals: Life['signals']
  warnings: string[]
  errors: ErrorFacts[]
}

/** When it is told. */
interface Moment {
  /** The end of what has none yet. */
  until: number
  isAlive: boolean
  /** The supervisor, or `berth shutdown` in its place, lived to the end, and what began after this did not come to its own. */
  cutAfter: number | undefined
}

/** Makes the report of a life, beside the one before it. `now` ends what still runs. */
export function makeReport(
  life: Life,
  { isAlive, before, now }: { isAlive: boolean; before: Life | undefined; now: number },
): Report {
  const until = life.endedAt ?? (isAlive ? now : life.lastAt)
  const { recipe, file, startedAt, exitCode, killedAt, main } = life
  const { rounds, signals, warnings, errors } = life
  const names = ['boot', 'deferred', 'shutdown'] as const
  const cutAfter = life.endedAt === undefined ? undefined : (killedAt ?? 0)
  const moment = { until, isAlive, cutAfter }
  const parts = names.flatMap((name) => {
    const pipeline = life[name]
    if (pipeline === undefined) return []
    return [partOf(name, pipeline, { ...moment, before: before?.[name] })]
  })
  if (life.undo.length > 0) parts.push(undoPart(life.undo, moment))
  return {
    recipe,
    file,
    state: stateOf(life, isAlive),
    startedAt,
    durationMs: until - startedAt,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(killedAt === undefined ? {} : { killedAt }),
    parts,
    ...(main === undefined
      ? {}
      : { main: { ...main, durationMs: (main.endedAt ?? until) - main.startedAt } }),
    rounds,
    signals,
    warnings,
    errors,
  }
}

function partOf(
  name: ReportPart['name'],
  pipeline: PipelineLife,
  { before, ...moment }: Moment & { before: PipelineLife | undefined },
): ReportPart {
  const { until, isAlive } = moment
  const { startedAt, endedAt, result, steps } = pipeline
  const path = criticalPath(pipeline)
  const earlier = new Map(before?.steps.map((step) => [step.id, step]))
  const isComparable = before?.endedAt !== undefined && before.result === result
  const lastBootMs = isComparable ? (before.endedAt ?? 0) - before.startedAt : undefined
  return {
    name,
    startedAt,
    durationMs: (endedAt ?? until) - startedAt,
    ...(result === undefined ? (isAlive ? {} : { result: fateOf(startedAt, moment) }) : { result }),
    steps: steps.map((step) => {
      return row(step, { ...moment, startedAt, before: earlier.get(step.id) })
    }),
    ...(path === undefined ? {} : { criticalPath: path }),
    ...(lastBootMs === undefined ? {} : { lastBootMs }),
  }
}

function undoPart(undo: readonly StepLife[], moment: Moment): ReportPart {
  const { until, isAlive } = moment
  const startedAt = undo[0]?.startedAt ?? undo[0]?.endedAt ?? until
  const endedAt = Math.max(...undo.map((step) => step.endedAt ?? until))
  const left = undo.filter(({ result }) => result !== 'done')
  const isRunning = isAlive && left.some(({ result }) => result === undefined)
  const isMild = left.every(({ optional, result }) => optional && result !== undefined)
  const result = left.length === 0 ? 'complete' : isMild ? 'degraded' : 'failed'
  return {
    name: 'undo',
    startedAt,
    durationMs: endedAt - startedAt,
    ...(isRunning ? {} : { result }),
    steps: undo.map((step) => row(step, { ...moment, startedAt, before: undefined })),
  }
}

function row(
  step: StepLife,
  { startedAt, before, ...moment }: Moment & { startedAt: number; before: StepLife | undefined },
): ReportStep {
  const { until, isAlive, cutAfter } = moment
  const { id, of, name, optional, needs, attempts, warnings, reason, facts, error, explain } = step
  const began = step.startedAt ?? step.endedAt
  const isRunning = step.startedAt !== undefined && step.endedAt === undefined
  const fate = isAlive ? 'running' : fateOf(step.startedAt ?? until, moment)
  const hasWaited = isAlive || cutAfter === undefined ? 'waiting' : 'unbegun'
  const unfinished = isRunning ? fate : hasWaited
  const lastBootMs = before === undefined ? 0 : durationOf(before)
  const isComparable = step.result === before?.result && lastBootMs > 0 && durationOf(step) > 0
  return {
    id,
    ...(of === undefined ? {} : { of }),
    name,
    optional,
    needs,
    result: step.result ?? unfinished,
    startMs: Math.max(0, (began ?? until) - startedAt),
    durationMs: isRunning ? until - (step.startedAt ?? until) : durationOf(step),
    attempts,
    retries: step.retries.map(({ attempt, delayMs, reason: why }) => ({
      attempt,
      delayMs,
      reason: why,
    })),
    warnings,
    ...(reason === undefined ? {} : { reason }),
    ...(facts === undefined ? {} : { facts }),
    ...(error === undefined ? {} : { error }),
    ...(explain === undefined ? {} : { explain }),
    ...(isComparable ? { lastBootMs } : {}),
  }
}

/** What became of something that has no end, and whose supervisor is gone. */
function fateOf(startedAt: number, { cutAfter }: Moment): 'cut' | 'lost' {
  return cutAfter !== undefined && startedAt > cutAfter ? 'cut' : 'lost'
}
