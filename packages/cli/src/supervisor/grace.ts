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

/** When main (or a boot that is being cancelled) is killed: half of the grace belongs to the saves. */
export function halfDeadline(signalAt: number, graceMs: number): number {
  return signalAt + graceMs / 2
}
