import { defaultGraceMs, halfDeadline, stopDeadline } from './grace.ts'
import type { ReceivedSignal } from './signals.ts'

/** Whether, since when and how urgently the pod is to stop; and what of the grace is whose. */
export class StopRequest {
  /** Known once the recipe is. */
  graceMs = defaultGraceMs
  signal: ReceivedSignal | undefined
  /** A second signal came: what is optional is skipped. */
  isUrgent = false
  #requested = Promise.withResolvers<void>()

  /** Resolves with the first signal that stops. */
  get requested(): Promise<void> {
    return this.#requested.promise
  }

  request(signal: ReceivedSignal): void {
    this.signal = signal
    this.#requested.resolve()
  }

  /** When everything must have ended; `undefined` while nobody is waiting to kill us. */
  deadline(): number | undefined {
    return this.signal === undefined ? undefined : stopDeadline(this.signal.at, this.graceMs)
  }

  /** When what is being stopped (main, a boot, a round) is killed: half of a grace from the signal, or from now without one. */
  halfDeadline(): number {
    return halfDeadline(this.signal?.at ?? Date.now(), this.graceMs)
  }
}
