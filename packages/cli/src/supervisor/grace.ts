/** What the supervisor keeps for itself at the end: the last kills, the summary and its own exit. */
const reserveMs = 500

/** Docker's own, for as long as the recipe has not been read. */
export const defaultGraceMs = 10_000

/** How long the shutdown may take when main ended by itself: nobody is about to kill us, yet a hung volume must not hold a pod. */
export const unhurriedMs = 10 * 60_000

/** When everything must have ended after a stop signal: the grace minus the reserve (of a short grace a quarter). */
export function stopDeadline(signalAt: number, graceMs: number): number {
  return signalAt + graceMs - Math.min(reserveMs, graceMs / 4)
}

/** Of what the supervisor keeps, what it needs to say how it ended, and to exit. */
const lastWordsMs = 250

/** When nothing is waited for any more, whatever it is that has not ended. */
export function lastMoment(signalAt: number, graceMs: number): number {
  return signalAt + graceMs - Math.min(lastWordsMs, graceMs / 8)
}

/** When main (or a boot that is being cancelled) is killed: half of the grace belongs to the saves. */
export function halfDeadline(signalAt: number, graceMs: number): number {
  return signalAt + graceMs / 2
}

/** What a grace leaves for shutdown and undo where main takes next to nothing of it. */
export function timeForShutdown(graceMs: number): number {
  return stopDeadline(0, graceMs)
}

/** When a round, or a deferred step, that is being cancelled is killed: it runs beside main's own end, and must not outlast it. */
export function cancelDeadline(at: number, graceMs: number): number {
  return at + Math.min(2000, graceMs / 5)
}

// What is mounted must come down though a save would use all of the time.
const undo = { share: 0.25, mostMs: 30_000 }
// To stop a step that did not end by itself, and to say so.
const report = { share: 0.05, mostMs: 300 }

/** When the steps of a shutdown must have ended, for what comes behind them to have its share. */
export function stepsDeadline({
  now,
  deadline,
  hasUndo,
}: {
  now: number
  deadline: number
  hasUndo: boolean
}): number {
  const { share, mostMs } = hasUndo ? undo : report
  return deadline - Math.min(mostMs, Math.max(0, deadline - now) * share)
}
