import type { FileStore } from '@berth/object-store'
import type { Journal, ProvenFile } from './journal.ts'
import { canBeRemoved, removeProven } from './remove-proven.ts'
import { readWriters } from './writers.ts'

/** When a file that S3 is proven to have may be removed from the disk. */
export interface EvictSettings {
  /** How long ago it must have been proven. */
  minAgeMs: number
  /** How many of the greatest numbers of each counted series stay; 1. */
  keepNewest?: number | undefined
}

interface EvictRequest extends EvictSettings {
  root: string
  journal: Journal
  store: FileStore
  /** A file that has changed since. */
  isBusy: (name: string) => boolean
}

const MAX_AT_ONCE = 200

/**
 * Removes files from the disk whose bytes S3 is proven to have, by a look at the object just before. The newest of a counted series stay
 * (`pic_00042_.png`): from them apps go on counting. Answers how many were removed.
 */
export async function evictFiles(request: EvictRequest): Promise<number> {
  const { root, journal, store, minAgeMs, keepNewest = 1, isBusy } = request
  const newest = newestOfSeries(journal.proven, keepNewest)
  const due = [...journal.proven]
    .filter(
      ([name, { place, provenAt }]) =>
        place === 'here' && provenAt + minAgeMs <= Date.now() && !isBusy(name),
    )
    .filter(([name, { isConflict }]) => !newest.has(name) && !isConflict && canBeRemoved(name))
    .slice(0, MAX_AT_ONCE)
  if (due.length === 0) return 0
  const writers = readWriters(root, true)
  let count = 0
  for (const [name, proven] of due) {
    if (!writers.isComplete || writers.names.has(name) || isBusy(name)) continue
    const record = async (): Promise<void> => {
      journal.prove(name, { ...proven, place: 'evicted' })
      await journal.flush(true)
    }
    if ((await removeProven({ root, name, proven, store, record })) === 'removed') count += 1
  }
  return count
}

/** Of each folder and pattern of names, the files with the greatest numbers. */
function newestOfSeries(files: ReadonlyMap<string, ProvenFile>, most: number): Set<string> {
  const series = new Map<string, { name: string; numbers: string }[]>()
  for (const [name, { place }] of files) {
    if (place !== 'here') continue
    const numbers = (name.match(/\d+/g) ?? []).map((number) => number.padStart(20, '0')).join(' ')
    if (numbers === '') continue
    const pattern = name.replaceAll(/\d+/g, '#')
    const members = series.get(pattern)
    if (members === undefined) series.set(pattern, [{ name, numbers }])
    else members.push({ name, numbers })
  }
  const newest = [...series.values()].flatMap((members) =>
    members.toSorted((a, b) => (a.numbers < b.numbers ? 1 : -1)).slice(0, most),
  )
  return new Set(newest.map(({ name }) => name))
}
