/** Milliseconds since it was started. */
export type Stopwatch = () => number

/**
 * Starts a stopwatch. The longer of what two clocks say counts: one may be set back, the other may stand still while a machine
 * sleeps. `now` takes the place of both.
 */
export function startStopwatch(now?: () => number): Stopwatch {
  if (now !== undefined) {
    const start = now()
    return () => now() - start
  }
  const [date, monotonic] = [Date.now(), performance.now()]
  return () => Math.max(Date.now() - date, performance.now() - monotonic)
}
