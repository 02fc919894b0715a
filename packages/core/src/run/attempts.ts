import { backoffMs } from './clock.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import type { StepEnd } from './step-end.ts'
import { StepStop, stopOf } from './step-stop.ts'

export interface AttemptEnd {
  end: StepEnd
  /** False when it ended well, and when another attempt must not follow it. */
  mayRetry: boolean
}

/** Tries until an attempt ends well, the step's attempts are used up, or the signal aborts. Emits the start of each attempt. */
export async function runAttempts(
  run: PipelineRun,
  step: RecipeStep,
  signal: AbortSignal,
  attemptOnce: (attempt: number) => Promise<AttemptEnd>,
): Promise<StepEnd> {
  for (let attempt = 1; ; attempt++) {
    run.emit({ type: 'step:start', step: step.id, phase: 'run', attempt })
    const { end, mayRetry } = await attemptOnce(attempt)
    if (!mayRetry || attempt >= step.retry.attempts) return end
    const delayMs = backoffMs(attempt, step.retry, run.clock.random)
    // An attempt that starts at the deadline can only be cut.
    if (run.deadline !== undefined && run.clock.now() + delayMs >= run.deadline) return end
    const error = end.error ?? { code: 'core/timeout', message: end.reason ?? 'it failed' }
    const { attempts } = step.retry
    run.emit({ type: 'step:retry', step: step.id, attempt, attempts, delayMs, error })
    try {
      await run.clock.sleep(delayMs, signal)
    } catch (reason) {
      if (!signal.aborted) throw reason
      return stopped(stopOf(signal))
    }
  }
}

/** How a step ends that was stopped from outside. */
export function stopped(stop: StepStop, reason: string = stop.message): StepEnd {
  return { result: stop.result, reason }
}

/** The stop of an attempt that took too long. */
export function timeoutStop(step: Pick<RecipeStep, 'timeoutMs'>): StepStop {
  const limit = describeMs(step.timeoutMs ?? 0)
  return new StepStop('timeout', `it took longer than its timeout of ${limit}`)
}

function describeMs(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
