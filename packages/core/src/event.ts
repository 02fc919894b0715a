import type { ErrorFacts } from './error.ts'
import type { Facts } from './plugin/outcome.ts'

export type PipelineName = 'boot' | 'shutdown' | 'build'

/** `undo` steps carry the id of the step that they take back. */
export type StepPhase = 'run' | 'undo'

export type StepResult = 'done' | 'unchanged' | 'skipped' | 'failed' | 'timeout' | 'cancelled'

/** `ready`: all well. `degraded`: an optional step failed. `failed`: a critical step failed. `cancelled`: stopped from outside. */
export type PipelineResult = 'ready' | 'degraded' | 'failed' | 'cancelled'

export interface Progress {
  done: number
  /** Absent while it is unknown. */
  total?: number
  unit: 'bytes' | 'files' | 'requests'
  /** What is being worked on, for several bars in one step: `venv`. */
  label?: string
}

/** A step of a pipeline that begins. */
export interface StepListing {
  id: string
  name: string
  optional: boolean
  /** The steps that it waits for. */
  needs: string[]
}

/**
 * Everything that happens, as data. Core and the supervisor emit these; only the app layer prints them. `time` is milliseconds
 * since the epoch. Every text in an event has already passed the mask. `of` is the ladder that a step is a rung of (`any-of`): a
 * rung that ends without success was refused, which alone is no failure.
 */
export type BerthEvent = { time: number } & (
  | {
      type: 'pipeline:start'
      pipeline: PipelineName
      recipe: string
      steps: StepListing[]
      periodic?: boolean
      /** The steps of a boot that begin after main. */
      deferred?: boolean
    }
  | { type: 'step:start'; step: string; of?: string; phase: StepPhase; attempt: number }
  | { type: 'step:log'; step: string; of?: string; level: LogLevel; text: string }
  | { type: 'step:progress'; step: string; of?: string; progress: Progress }
  | {
      type: 'step:retry'
      step: string
      of?: string
      attempt: number
      attempts: number
      delayMs: number
      error: ErrorFacts
    }
  | {
      type: 'step:end'
      step: string
      of?: string
      phase: StepPhase
      result: StepResult
      optional: boolean
      durationMs: number
      reason?: string
      facts?: Facts
      error?: ErrorFacts
      /** What the recipe says of its failure. */
      explain?: string
      /** It did not stop when it was told to, and may still be at work. */
      leftBehind?: true
    }
  | {
      type: 'pipeline:end'
      pipeline: PipelineName
      result: PipelineResult
      durationMs: number
      counts: Record<StepResult, number>
      /** Of a shutdown, which has ended only when all is taken back that can be: how many undos ended how. */
      undo?: Record<StepResult, number>
      periodic?: boolean
      deferred?: boolean
    }
  /** `awaited`: the recipe says how it shows that it can be used, and `main:ready` will follow. */
  | { type: 'main:start'; command: string[]; pid: number; awaited?: true }
  /** It can be used, as the recipe's `main.ready` says. */
  | { type: 'main:ready'; durationMs: number }
  | { type: 'main:end'; code: number | null; signal: string | null; durationMs: number }
  /** It waits for a signal: there is no main to run, or the boot failed. */
  | { type: 'wait'; reason: string }
  | { type: 'signal'; name: string; action: string }
  /** `berth shutdown` asked for the end; `reason` as it gave it. */
  | { type: 'shutdown:asked'; reason?: string; action: string }
  | { type: 'note'; level: LogLevel; text: string }
  | { type: 'error'; error: ErrorFacts }
)

/** `output`: a line that a command of a step printed. */
export type LogLevel = 'info' | 'warn' | 'output'

/** Distributes over the union, so that `emit` accepts each event without its time. */
type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'time'> : never
export type NewEvent = WithoutTime<BerthEvent>

export type Emit = (event: NewEvent) => void
