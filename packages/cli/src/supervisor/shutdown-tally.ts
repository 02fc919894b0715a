import type { NewEvent, PipelineResult, StepResult, UndoEnd } from '@berth/core'
import { worse } from './worse.ts'

type EndEvent = Extract<NewEvent, { type: 'pipeline:end' }>
type Counts = Record<StepResult, number>

/** How a shutdown ended: its steps, and what was to be taken back. */
export interface ShutdownOutcome {
  result: PipelineResult
  /** How many undos ended how; absent where nothing was to be taken back. */
  undo?: Counts
}

/**
 * Passes the events of a shutdown on, but for its end: that is told when everything has been taken back, or could not be, so that no end is
 * called complete before an undo has failed.
 */
export class ShutdownTally {
  #emit: (event: NewEvent) => void
  #startedAt = performance.now()
  #end: EndEvent | undefined
  #steps: string[] = []
  #ended = new Map<string, StepResult>()
  #isTold = false
  #undone: UndoEnd[] = []
  #left: UndoEnd[] = []

  constructor(emit: (event: NewEvent) => void) {
    this.#emit = emit
  }

  /** Takes an event. */
  readonly hear = (event: NewEvent): void => {
    if (event.type === 'pipeline:start') this.#steps = event.steps.map(({ id }) => id)
    if (event.type === 'step:end' && event.phase === 'run' && event.of === undefined) {
      this.#ended.set(event.step, event.result)
    }
    if (event.type === 'pipeline:end') this.#end = event
    // A step that was left behind may still speak.
    else if (!this.#isTold) this.#emit(event)
  }

  /** How a pass over what is to be taken back went; what it left, the next one tries again. */
  undone(ends: readonly UndoEnd[]): void {
    this.#undone.push(...ends.filter(({ result }) => result === 'done'))
    this.#left = ends.filter(({ result }) => result !== 'done')
  }

  /** Tells the end of the whole, with the results of its steps and of the undo. */
  tell(steps: PipelineResult, undone: PipelineResult): ShutdownOutcome {
    const ends = [...this.#undone, ...this.#left].map(({ result }) => result)
    const undo = ends.length === 0 ? {} : { undo: countsOf(ends) }
    const result = worse(steps, undone)
    // Of a step that does not stop only this is known.
    const results = this.#steps.map((id) => this.#ended.get(id) ?? 'timeout')
    const counts = this.#end?.counts ?? countsOf(results)
    const durationMs = Math.round(performance.now() - this.#startedAt)
    this.#emit({
      type: 'pipeline:end',
      pipeline: 'shutdown',
      result,
      durationMs,
      counts,
      ...undo,
    })
    this.#isTold = true
    return { result, ...undo }
  }
}

function countsOf(results: readonly StepResult[]): Counts {
  const counts = { done: 0, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }
  for (const result of results) counts[result] += 1
  return counts
}
