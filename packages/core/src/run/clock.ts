import { setTimeout as sleep } from 'node:timers/promises'

/** Time and chance, passed in so that a test can decide them. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now: () => number
  /** Rejects with the signal's reason when that aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** At least 0, less than 1. */
  random: () => number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await sleep(ms, undefined, { signal }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
  },
  random: () => Math.random(),
}

/**
 * How long to wait after a failed attempt: exponential backoff with full jitter, a random time below `initial × 2^(attempt − 1)` and
 * `max`, so that pods which failed together don't return together.
 */
export function backoffMs(
  attempt: number,
  limits: { initialMs: number; maxMs: number },
  random: () => number,
): number {
  return Math.round(random() * Math.min(limits.maxMs, limits.initialMs * 2 ** (attempt - 1)))
}
