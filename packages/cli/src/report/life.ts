import type { Facts, PipelineName, PipelineResult, Progress, StepResult } from '@berth/core'
import type { ErrorFacts } from '@berth/core/error'

export interface StepRetry {
  time: number
  attempt: number
  delayMs: number
  reason: string
}

/** What became of a step, or is becoming. */
export interface StepLife {
  id: string
  /** The ladder that it is a rung of: one that ends without success was refused. */
  of?: string
  name: string
  optional: boolean
  needs: string[]
  /** Times are milliseconds since the epoch. A step that never began has only an end. */
  startedAt?: number
  endedAt?: number
  /** Absent while it waits or runs. */
  result?: StepResult
  attempts: number
  retries: StepRetry[]
  reason?: string
  facts?: Facts
  error?: ErrorFacts
  /** What the recipe says of its failure. */
  explain?: string
  /** It did not stop when it was told to. */
  leftBehind?: true
  /** By what is worked on; the latest of each. */
  progress: Record<string, Progress>
  /** What it said last. */
  lastLine?: string
  warnings: string[]
}

export interface PipelineLife {
  pipeline: PipelineName
  startedAt: number
  endedAt?: number
  result?: PipelineResult
  /** Its overlay was broken: degraded at best, whatever its steps say. */
  overlayLeftOut?: true
  steps: StepLife[]
}

/** How main ran. */
export interface MainLife {
  command: string[]
  pid: number
  startedAt: number
  /** The recipe says how it shows that it can be used. */
  awaited?: true
  /** When it was seen to be ready. */
  readyAt?: number
  endedAt?: number
  /** Its supervisor did not see its end: `berth shutdown` ended it, or nobody knows when it was gone. */
  fate?: 'put-away' | 'lost'
  code?: number | null
  signal?: string | null
}

/** A boot from its first event to its last, as far as they have come. */
export interface Life {
  /** The recipe's name. */
  recipe: string
  /** The recipe's file. */
  file: string
  /** Of the supervisor. */
  pid: number
  startTime: string
  startedAt: number
  /** The newest event. */
  lastAt: number
  endedAt?: number
  /** Of the supervisor, or of the `berth shutdown` that ended the life in its place. */
  exitCode?: number
  /** It was killed, and `berth shutdown` took over: when it was last heard of. */
  killedAt?: number
  boot?: PipelineLife
  /** The boot's steps that were left until main runs. */
  deferred?: PipelineLife
  shutdown?: PipelineLife
  /** Of `berth run RECIPE build`; no boot has one. */
  build?: PipelineLife
  /** What was taken back, in its order. */
  undo: StepLife[]
  rounds: { count: number; failed: number; lastAt?: number; lastResult?: PipelineResult }
  main?: MainLife
  /** It waits for a signal: there is no main to run, or the boot failed. */
  waitsSince?: number
  /** Somebody asked it to end. */
  stopsSince?: number
  /** And calls of `berth shutdown`. */
  signals: { time: number; name: string; action: string }[]
  warnings: string[]
  errors: ErrorFacts[]
}

export type LifeState =
  /** The boot's steps run, or main is not ready yet. */
  | 'booting'
  | 'ready'
  /** Main runs; an optional step of the boot failed. */
  | 'degraded'
  /** The boot failed, and nothing runs. */
  | 'failed'
  | 'stopping'
  /** The supervisor is gone, as it should. */
  | 'ended'
  /** The supervisor is gone without a word: killed. */
  | 'lost'

/** In which state a life is. `isAlive` says whether its supervisor still is. */
export function stateOf(life: Life, isAlive: boolean): LifeState {
  if (life.endedAt !== undefined) return 'ended'
  if (!isAlive) return 'lost'
  const stopsSince = life.stopsSince ?? life.main?.endedAt ?? life.shutdown?.startedAt
  if (stopsSince !== undefined) return 'stopping'
  const result = life.boot?.result
  if (result === undefined) return 'booting'
  const isUp = life.main !== undefined || life.waitsSince !== undefined
  if (result === 'failed' || result === 'cancelled') {
    return life.main === undefined ? 'failed' : 'degraded'
  }
  if (!isUp || (life.main?.awaited === true && life.main.readyAt === undefined)) return 'booting'
  const isWorse = ['failed', 'degraded'].includes(life.deferred?.result ?? '')
  return isWorse ? 'degraded' : result
}
