import { cancelDeadline, defaultGraceMs, halfDeadline, lastMoment, stopDeadline } from './grace.ts'
import type { ReceivedSignal } from './signals.ts'

/** The longest that Node's timers hold. */
const longestMs = 2 ** 31 - 1

/** Someone who wants the pod to stop: a signal, or `berth shutdown`. */
export interface StopCause {
  at: number
  /** Its own grace; the recipe's unless given. */
  graceMs?: number | undefined
}

/** Whether, since when and how urgently the pod is to stop; and what of the grace is whose. Of several causes the most pressing counts. */
export class StopRequest {
  /** The first that stops. */
  signal: ReceivedSignal | undefined
  /** A second signal came: what is optional is skipped. */
  isUrgent = false
  #graceMs = defaultGraceMs
  #causes: StopCause[] = []
  #over = Promise.withResolvers<void>()
  #overTimer: NodeJS.Timeout | undefined
  #requested = Promise.withResolvers<void>()
  #signalled = Promise.withResolvers<void>()

  /** Known once the recipe is. */
  get graceMs(): number {
    return this.#graceMs
  }

  set graceMs(graceMs: number) {
    this.#graceMs = graceMs
    this.#awaitLastMoment()
  }

  /** Resolves when somebody's grace is as good as over: nothing is waited for any more. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  /** Resolves when anyone wants the pod to stop. */
  get requested(): Promise<void> {
    return this.#requested.promise
  }

  /** Resolves with the first signal that stops. */
  get signalled(): Promise<void> {
    return this.#signalled.promise
  }

  get isRequested(): boolean {
    return this.#causes.length > 0
  }

  request(cause: StopCause): void {
    this.#causes.push(cause)
    this.#awaitLastMoment()
    this.#requested.resolve()
  }

  obey(signal: ReceivedSignal): void {
    this.signal ??= signal
    this.request({ at: signal.at })
    this.#signalled.resolve()
  }

  /** When everything must have ended; `undefined` while nobody is waiting to kill us. */
  deadline(): number | undefined {
    const ends = this.#causes.map(({ at, graceMs = this.graceMs }) => stopDeadline(at, graceMs))
    return ends.length === 0 ? undefined : Math.min(...ends)
  }

  /** When main, or a boot, is killed: half of a grace after the request, or after now without one. */
  halfDeadline(): number {
    return this.#earliest(halfDeadline)
  }

  /** When what runs beside main (a round, deferred steps) is killed. */
  cancelDeadline(): number {
    return this.#earliest(cancelDeadline)
  }

  /**
   * When nothing is waited for any more; `undefined` while nobody is waiting to kill us. Where everything is put away, what `berth shutdown`
   * gave for that is of the past, and only the signal counts that the end was waiting for.
   */
  lastMoment(isPutAway = false): number | undefined {
    if (isPutAway && this.signal !== undefined) return lastMoment(this.signal.at, this.graceMs)
    return this.isRequested ? this.#earliest(lastMoment) : undefined
  }

  #awaitLastMoment(): void {
    clearTimeout(this.#overTimer)
    const at = this.lastMoment()
    if (at === undefined) return
    const left = at - Date.now()
    if (left <= 0) this.#over.resolve()
    else this.#overTimer = setTimeout(() => this.#awaitLastMoment(), Math.min(left, longestMs))
  }

  #earliest(deadlineOf: (at: number, graceMs: number) => number): number {
    const causes = this.isRequested ? this.#causes : [{ at: Date.now() }]
    return Math.min(...causes.map(({ at, graceMs = this.graceMs }) => deadlineOf(at, graceMs)))
  }
}
