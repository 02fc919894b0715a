/** How much of an archive's history stays. What one rule keeps, no other takes away. */
export interface Retention {
  /** The newest of the history, those that were only compacted not counted; one at least. */
  keepLast: number
  /** The newest of each of so many days on which there were saves. */
  keepDaily: number
  keepWeekly: number
  /** Snapshots beside the history go at this age; all stay when it is absent. */
  siblingsMs?: number | undefined
}

export const DEFAULT_RETENTION: Retention = { keepLast: 5, keepDaily: 7, keepWeekly: 0 }

export interface DatedSnapshot {
  name: string
  sibling: boolean
  /** By the store's clock. */
  modifiedAt: number
  /** The machines that its venvs need; a history may hold several in turn. */
  machines: string
  /** Another one has its generation: it would take the place in the history. */
  contested: boolean
  /** It holds the files of the one before it. */
  compacted: boolean
}

/**
 * The snapshots of one archive, newest first, that its retention no longer keeps. The newest stays, and the newest of each kind of
 * machine, whatever the numbers are.
 */
export function chooseForgotten(
  snapshots: readonly DatedSnapshot[],
  retention: Retention,
  now: number,
): string[] {
  const history = snapshots.filter(({ sibling }) => !sibling)
  const kept = new Set([
    ...newestStates(history, Math.max(1, retention.keepLast)),
    ...history.filter(({ contested }) => contested),
    ...firstOfEach(history, ({ machines }) => machines, history.length),
    ...firstOfEach(
      history,
      ({ modifiedAt }) => Math.floor(modifiedAt / DAY_MS),
      retention.keepDaily,
    ),
    ...firstOfEach(history, ({ modifiedAt }) => weekOf(modifiedAt), retention.keepWeekly),
  ])
  const { siblingsMs } = retention
  return snapshots
    .filter((snapshot) =>
      snapshot.sibling
        ? siblingsMs !== undefined && now - snapshot.modifiedAt > siblingsMs
        : !kept.has(snapshot),
    )
    .map(({ name }) => name)
}

/** Down to the one that so many states begin with: pods may still rely on any of them. */
function newestStates(history: readonly DatedSnapshot[], count: number): readonly DatedSnapshot[] {
  let states = 0
  const end = history.findIndex(({ compacted }) => !compacted && ++states === count)
  return end < 0 ? history : history.slice(0, end + 1)
}

const DAY_MS = 24 * 60 * 60 * 1000
/** The first of January 1970 was a Thursday. */
const DAYS_TO_MONDAY = 3

function weekOf(time: number): number {
  return Math.floor((Math.floor(time / DAY_MS) + DAYS_TO_MONDAY) / 7)
}

function firstOfEach(
  snapshots: readonly DatedSnapshot[],
  keyOf: (snapshot: DatedSnapshot) => number | string,
  count: number,
): DatedSnapshot[] {
  const first = new Map<number | string, DatedSnapshot>()
  for (const snapshot of snapshots) {
    const key = keyOf(snapshot)
    if (!first.has(key) && first.size < count) first.set(key, snapshot)
  }
  return [...first.values()]
}
