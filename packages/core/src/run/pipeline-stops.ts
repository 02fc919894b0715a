import type { RecipeStep } from '../recipe/recipe.ts'
import type { StepEnd } from './step-end.ts'
import { abortAfter, StepStop } from './step-stop.ts'

export interface StopOptions {
  signal?: AbortSignal | undefined
  deadline?: number | undefined
  skipOptional?: AbortSignal | undefined
}

/** All that can stop the steps of one pipeline from outside. */
export interface PipelineStops {
  /** A critical step failed: cancels those that run, and starts no more. */
  fail: (step: string) => void
  /** The critical step that failed first. */
  failed: () => string | undefined
  /** Aborts, with a StepStop, when the step has to stop; with `despiteFailure` it goes on when another fails. */
  signalFor: (step: Pick<RecipeStep, 'optional'>, despiteFailure?: boolean) => AbortSignal
  /** How the step ends when it may not start any more. */
  refusal: (step: Pick<RecipeStep, 'optional'>) => StepEnd | undefined
  close: () => void
}

export function watchStops({ signal, deadline, skipOptional }: StopOptions): PipelineStops {
  const cancelled = relay(signal, new StepStop('cancelled', 'the pipeline was cancelled'))
  const skipped = relay(skipOptional, new StepStop('cancelled', 'what is optional was skipped'))
  const remainingMs = deadline === undefined ? undefined : deadline - Date.now()
  const timer = abortAfter(remainingMs, new StepStop('timeout', 'the deadline was reached'))
  const failure = new AbortController()
  let failed: string | undefined
  const isPast = () => timer.signal.aborted || (deadline !== undefined && Date.now() >= deadline)
  return {
    fail: (step) => {
      failed ??= step
      failure.abort(new StepStop('cancelled', `\`${step}\` failed`))
    },
    failed: () => failed,
    signalFor: (step, despiteFailure = false) =>
      AbortSignal.any([
        cancelled.signal,
        timer.signal,
        ...(step.optional ? [skipped.signal] : []),
        ...(despiteFailure ? [] : [failure.signal]),
      ]),
    refusal: (step) => {
      if (cancelled.signal.aborted)
        return { result: 'cancelled', reason: 'not started: the pipeline was cancelled' }
      if (isPast())
        return { result: 'timeout', reason: 'not started: the deadline had been reached' }
      if (step.optional && skipped.signal.aborted)
        return { result: 'skipped', reason: 'not started: what is optional was skipped' }
      return undefined
    },
    close: () => {
      timer.clear()
      cancelled.close()
      skipped.close()
    },
  }
}

/** The same signal, with our reason instead of whatever its owner gave. */
function relay(
  signal: AbortSignal | undefined,
  stop: StepStop,
): { signal: AbortSignal; close: () => void } {
  const controller = new AbortController()
  const onAbort = () => controller.abort(stop)
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  return { signal: controller.signal, close: () => signal?.removeEventListener('abort', onAbort) }
}
