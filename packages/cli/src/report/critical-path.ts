import type { PipelineLife, StepLife } from './life.ts'

/** The chain of steps that a pipeline's duration is made of. */
export interface CriticalPath {
  /** In the order in which they ran. */
  steps: string[]
  /** What they took together, waiting for an attempt included. */
  durationMs: number
  /** Of the pipeline's duration, from 0 to 1. */
  share: number
}

/**
 * Follows a pipeline back from the step that ended last: each step's predecessor is, of those that it waited for, the one that ended last.
 * Undefined where nothing took time.
 */
export function criticalPath(pipeline: PipelineLife): CriticalPath | undefined {
  const byId = new Map(pipeline.steps.map((step) => [step.id, step]))
  const path: StepLife[] = []
  const ended = pipeline.steps.filter(
    ({ endedAt, of }) => endedAt !== undefined && of === undefined,
  )
  for (let step = lastOf(ended); step !== undefined && !path.includes(step);) {
    path.unshift(step)
    step = lastOf(step.needs.flatMap((id) => byId.get(id) ?? []))
  }
  const taking = path.filter((step) => durationOf(step) > 0)
  const durationMs = taking.reduce((sum, step) => sum + durationOf(step), 0)
  const end = pipeline.endedAt ?? Math.max(...ended.map(({ endedAt = 0 }) => endedAt))
  const wholeMs = end - pipeline.startedAt
  if (taking.length === 0 || wholeMs <= 0) return undefined
  return { steps: taking.map(({ id }) => id), durationMs, share: Math.min(1, durationMs / wholeMs) }
}

/** How long a step ran, with its retries; 0 for one that never began. */
export function durationOf({ startedAt, endedAt }: StepLife): number {
  return startedAt === undefined || endedAt === undefined ? 0 : endedAt - startedAt
}

function lastOf(steps: readonly StepLife[]): StepLife | undefined {
  let last: StepLife | undefined
  for (const step of steps) if ((step.endedAt ?? 0) > (last?.endedAt ?? -1)) last = step
  return last
}
