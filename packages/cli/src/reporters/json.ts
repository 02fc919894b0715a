import type { BerthEvent } from '@berth/core'
import type { Reporter } from './reporter.ts'

/** The events themselves, one JSON object a line. */
export function openJsonReporter(stream: NodeJS.WritableStream): Reporter {
  return {
    report: (event: BerthEvent) => {
      stream.write(`${JSON.stringify(event)}\n`)
    },
    close: () => {},
  }
}
