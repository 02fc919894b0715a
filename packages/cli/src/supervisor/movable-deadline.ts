import { setTimeout as sleep } from 'node:timers/promises'

/** The longest that Node's timers hold. */
const longestSleepMs = 2 ** 31 - 1

/** When something must have ended, in milliseconds since the epoch; it may come nearer while one waits. */
export class MovableDeadline {
  at: number | undefined
  #moved = new AbortController()
  #listeners: ((at: number) => void)[] = []

  constructor(at: number | undefined) {
    this.at = at
  }

  /** Aborts when it has come nearer; each time another signal. */
  get moved(): AbortSignal {
    return this.#moved.signal
  }

  /** Calls the listener whenever it comes nearer. */
  whenMoved(listener: (at: number) => void): void {
    this.#listeners.push(listener)
  }

  /** A later time than the one that is known changes nothing. */
  hasten(at: number): void {
    if (this.at !== undefined && at >= this.at) return
    this.at = at
    for (const listener of this.#listeners) listener(at)
    this.#moved.abort()
    this.#moved = new AbortController()
  }

  /** Resolves with true that long after it, wherever it moves; with false when the signal aborts before. */
  async passed(afterMs: number, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const left = (this.at ?? Number.POSITIVE_INFINITY) + afterMs - Date.now()
      if (left <= 0) return true
      const wake = AbortSignal.any([signal, this.moved])
      await sleep(Math.min(left, longestSleepMs), undefined, { signal: wake, ref: false }).catch(
        () => {},
      )
    }
    return false
  }
}
