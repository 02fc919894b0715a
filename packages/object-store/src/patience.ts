/** How long to wait, and how often to try again. */
export interface Patience {
  /** Tries of one request, the first included. */
  attempts: number
  /** Fewer than that while no connection could be made at all: a wrong endpoint is said soon; one that has answered may be restarting. */
  attemptsToReach: number
  /** The longest wait before the second try; doubles with each further one. */
  initialDelayMs: number
  maxDelayMs: number
  /** To connect. */
  connectMs: number
  /** Without a byte in either direction. */
  stallMs: number
}

export const defaultPatience: Patience = {
  attempts: 8,
  attemptsToReach: 4,
  initialDelayMs: 100,
  maxDelayMs: 5_000,
  connectMs: 5_000,
  stallMs: 20_000,
}

/** A random time up to the backoff's limit ("full jitter"), so that many pods don't come back at once. */
export function retryDelayMs(patience: Patience, attempt: number): number {
  const limit = Math.min(patience.maxDelayMs, patience.initialDelayMs * 2 ** (attempt - 1))
  return Math.round(limit * (0.25 + 0.75 * Math.random()))
}
