import type { PipelineResult, StepResult } from '../event.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import type { StepEnd } from './step-end.ts'

/** What the ends of its steps make of a pipeline. A critical step that was cancelled because the pipeline was is no failure. */
export function pipelineResult(
  steps: readonly Pick<RecipeStep, 'id' | 'optional'>[],
  ends: ReadonlyMap<string, StepEnd>,
  isCancelled: boolean,
): PipelineResult {
  const has = (optional: boolean, ...results: StepResult[]) =>
    steps.some(
      (step) =>
        step.optional === optional && results.includes(ends.get(step.id)?.result ?? 'skipped'),
    )
  if (has(false, 'failed', 'timeout') || (!isCancelled && has(false, 'cancelled'))) return 'failed'
  if (isCancelled && (has(true, 'cancelled') || has(false, 'cancelled'))) return 'cancelled'
  return has(true, 'failed', 'timeout', 'cancelled') ? 'degraded' : 'ready'
}

export function countResults(ends: ReadonlyMap<string, StepEnd>): Record<StepResult, number> {
  const counts = { done: 0, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }
  for (const { result } of ends.values()) counts[result] += 1
  return counts
}
