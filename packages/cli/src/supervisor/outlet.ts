import type { BerthEvent } from '@berth/core'
import type { Report } from './protocol.ts'

/** How much may be on its way to the supervisor before lines of output are left out. */
const fullBytes = 1024 * 1024

/**
 * Passes reports on in order. The lines that commands print are left out, and counted, while the supervisor can't keep up, so that
 * neither process grows with them; nothing else ever is.
 */
export function openOutlet(send: (report: Report) => Promise<unknown>): {
  report: (report: Report) => void
  /** Resolves when everything has been passed on. */
  drained: () => Promise<void>
} {
  let waitingBytes = 0
  let last: Promise<unknown> = Promise.resolve()
  const leftOut = new Map<string, number>()
  const pass = (report: Report, bytes: number): void => {
    waitingBytes += bytes
    last = send(report).finally(() => {
      waitingBytes -= bytes
    })
  }
  const confess = (): void => {
    for (const [step, count] of leftOut) {
      const text = `${count} lines of output were left out: they came faster than they could be printed`
      pass(
        { type: 'event', event: { type: 'step:log', step, level: 'warn', text, time: Date.now() } },
        200,
      )
    }
    leftOut.clear()
  }
  return {
    report: (report) => {
      const event = report.type === 'event' ? report.event : undefined
      if (event !== undefined && isOutput(event)) {
        if (waitingBytes > fullBytes) {
          leftOut.set(event.step, (leftOut.get(event.step) ?? 0) + 1)
          return
        }
        if (leftOut.size > 0) confess()
        pass(report, event.text.length + 100)
        return
      }
      if (leftOut.size > 0) confess()
      pass(report, 500)
    },
    drained: async () => {
      await last
    },
  }
}

function isOutput(event: BerthEvent): event is Extract<BerthEvent, { type: 'step:log' }> {
  return event.type === 'step:log' && event.level === 'output'
}
