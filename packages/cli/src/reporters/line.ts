import { EventLines } from './event-lines.ts'
import type { Reporter } from './reporter.ts'
import { styleFor } from './symbols.ts'

/** One event, one line, never rewritten: for container logs. Progress at most every 10 s and at its end. */
export function openLineReporter(stream: NodeJS.WritableStream): Reporter {
  const lines = new EventLines(styleFor(stream), performance.timeOrigin)
  return {
    report: (event) => {
      for (const line of lines.of(event)) stream.write(`${line}\n`)
    },
    close: () => {},
  }
}
