import type { BerthEvent } from '@berth/core'
import type { Report } from './protocol.ts'

/** How much may wait for the supervisor before lines of output are left out. */
const fullBytes = 64 * 1024

/** Of the lines that were left out the last are shown all the same: they say how it ended. */
const keptLines = 20

type OutputEvent = Extract<BerthEvent, { type: 'step:log' }>

/**
 * Passes reports on in order: at once while the supervisor keeps up, else together with those that have come in the meantime. The lines
 * that commands print are left out, and counted, when too much waits, so that neither process grows with them; nothing else ever is.
 */
export class Outlet {
  #send: (reports: Report[]) => Promise<unknown>
  #waiting: Report[] = []
  #waitingBytes = 0
  #sending: Promise<void> | undefined
  #leftOut = new Map<string, { count: number; tail: OutputEvent[] }>()

  constructor(send: (reports: Report[]) => Promise<unknown>) {
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
    await this.#sending
  }

  #pass(report: Report): void {
    const line = report.type === 'event' && isOutput(report.event) ? report.event : undefined
    this.#waitingBytes += 200 + (line?.text.length ?? 0)
    this.#waiting.push(line === undefined ? report : detached(line))
    this.#sending ??= this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const reports = this.#waiting
      this.#waiting = []
      this.#waitingBytes = 0
      await this.#send(reports)
    }
    this.#sending = undefined
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

/** A line is a part of a chunk of output, all of which it would keep in memory while it waits. */
function detached(event: OutputEvent): Report {
  return { type: 'event', event: { ...event, text: Buffer.from(event.text).toString() } }
}

function isOutput(event: BerthEvent): event is OutputEvent {
  return event.type === 'step:log' && event.level === 'output'
}
