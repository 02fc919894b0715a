import type { BerthEvent } from '@berth/core'

/** Prints events. `close` leaves the terminal as it was found; nothing may be reported after it. */
export interface Reporter {
  report: (event: BerthEvent) => void
  close: () => void
}

export const reporterNames = ['line', 'pretty', 'json'] as const
export type ReporterName = (typeof reporterNames)[number]

/** Opens a reporter: talk goes to stderr, and `json`, which is data, to stdout. */
export async function openReporter(name: ReporterName): Promise<Reporter> {
  if (name === 'json') return (await import('./json.ts')).openJsonReporter(process.stdout)
  if (name === 'pretty') return (await import('./pretty.ts')).openPrettyReporter(process.stderr)
  return (await import('./line.ts')).openLineReporter(process.stderr)
}
