import type { BerthEvent } from '@berth/core'
import type { Report } from './protocol.ts'

/** How much may be on its way to the supervisor before lines of output are left out. */
const fullBytes = 1024 * 1024

/** Of the lines that were left out the last are shown all the same: they say how it ended. */
const keptLines = 20

type OutputEvent = Extract<BerthEvent, { type: 'step:log' }>

/**
 * Passes reports on in order. The lines that commands print are left out, and counted, while the supervisor can't keep up, so that
 * neither process grows with them; nothing else ever is.
 */
export class Outlet {
  #send: (report: Report) => Promise<unknown>
  #waitingBytes = 0
  #last: Promise<unknown> = Promise.resolve()
  #leftOut = new Map<string, { count: number; tail: OutputEvent[] }>()

  constructor(send: (report: Report) => Promise<unknown>) {
    this.#send = send
  }

  report(report: Report): void {
    const isFull = this.#waitingBytes > fullBytes
    if (report.type === 'event' && isOutput(report.event) && isFull) {
      this.#leaveOut(report.event)
      return
    }
    this.#confess()
    this.#pass(report)
  }

  /** Resolves when everything has been passed on. */
  async drained(): Promise<void> {
    await this.#last
  }

  #pass(report: Report): void {
    const bytes = report.type === 'event' && isOutput(report.event) ? report.event.text.length : 0
    this.#waitingBytes += bytes + 200
    this.#last = this.#send(report).finally(() => {
      this.#waitingBytes -= bytes + 200
    })
  }

  #leaveOut(event: OutputEvent): void {
    const { count, tail } = this.#leftOut.get(event.step) ?? { count: 0, tail: [] }
    tail.push(event)
    const dropped = tail.length > keptLines ? 1 : 0
    this.#leftOut.set(event.step, { count: count + dropped, tail: tail.slice(dropped) })
  }

  #confess(): void {
    for (const [step, { count, tail }] of this.#leftOut) {
      const text = `${count} lines of output were left out: they came faster than they could be printed`
      const time = tail[0]?.time ?? Date.now()
      if (count > 0) {
        this.#pass({ type: 'event', event: { type: 'step:log', step, level: 'warn', text, time } })
      }
      for (const event of tail) this.#pass({ type: 'event', event })
    }
    this.#leftOut.clear()
  }
}

function isOutput(event: BerthEvent): event is OutputEvent {
  return event.type === 'step:log' && event.level === 'output'
}
