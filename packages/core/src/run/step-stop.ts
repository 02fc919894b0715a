/** Why a step is stopped from outside: the reason of its abort signal. `message` is the reason that the user reads. */
export class StepStop extends Error {
  // What an aborted fetch and Node's own functions throw, and what libraries look for.
  override readonly name = 'AbortError'
  readonly result: 'cancelled' | 'timeout'

  constructor(result: 'cancelled' | 'timeout', message: string) {
    super(message)
    this.result = result
  }
}

/** The step did not settle in time after its abort; it may still be running. */
export class StepAbandoned extends Error {
  readonly stop: StepStop

  constructor(stop: StepStop, patienceMs: number) {
    super(`${stop.message}; it did not stop within ${patienceMs / 1000} s and was left behind`)
    this.stop = stop
  }
}

/** Whatever a signal was aborted with, as a StepStop. */
export function stopOf(signal: AbortSignal): StepStop {
  return signal.reason instanceof StepStop
    ? signal.reason
    : new StepStop('cancelled', 'it was cancelled')
}

/** How long a step may go on after its abort. */
const PATIENCE_MS = 1500

/** The work's own end, or a rejection with StepAbandoned when it goes on for longer than `patienceMs` after the abort. */
export async function settleOrAbandon<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
  patienceMs: number = PATIENCE_MS,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  let onAbort = () => {}
  const abandoned = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(new StepAbandoned(stopOf(signal), patienceMs)), patienceMs)
    }
  })
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, abandoned])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

export interface Timer {
  signal: AbortSignal
  clear: () => void
}

/** A signal that aborts after a time; never when that is undefined. */
export function abortAfter(ms: number | undefined, stop: StepStop): Timer {
  const controller = new AbortController()
  if (ms === undefined) return { signal: controller.signal, clear: () => {} }
  const timer = setTimeout(
    () => controller.abort(stop),
    Math.min(Math.max(0, ms), LONGEST_TIMER_MS),
  )
  return { signal: controller.signal, clear: () => clearTimeout(timer) }
}

/** A signal that aborts `ms` after another, with its reason: for work that is better ended than cut. */
export function abortLater(signal: AbortSignal, ms: number): Timer {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer = setTimeout(() => controller.abort(signal.reason), ms)
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  const clear = (): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
  return { signal: controller.signal, clear }
}

/** Node's timers hold 31 bits and fire at once for more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
