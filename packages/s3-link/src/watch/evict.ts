import { link, lstat, rename, unlink } from 'node:fs/promises'
import { hasErrno } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { mayDeleteLocal } from '../upload/decisions.ts'
import { areEqual, factsOf } from '../upload/file-facts.ts'
import { conflictKey } from '../upload/key.ts'
import type { Journal, ProvenFile } from './journal.ts'
import { placeOf, scanFolder } from './scan-folder.ts'
import { readWriters } from './writers.ts'

/** When a file that S3 is proven to have may be removed from the disk. */
export interface EvictSettings {
  /** How long ago it must have been proven. */
  minAgeMs: number
}

interface EvictRequest extends EvictSettings {
  root: string
  journal: Journal
  store: FileStore
  /** A file that has changed since. */
  isBusy: (name: string) => boolean
}

const MAX_AT_ONCE = 200
const MAX_NAME_BYTES = 255
/** What a file is called between the last look at it and its end: nobody can open it by its name then. */
const MARK = '.berth-evict'

/**
 * Removes files from the disk whose bytes S3 is proven to have, by a look at the object just before. The newest of a counted series stays
 * (`pic_00042_.png`): from it apps go on counting. Answers how many were removed.
 */
export async function evictFiles(request: EvictRequest): Promise<number> {
  const { root, journal, minAgeMs, isBusy } = request
  const newest = newestOfSeries(journal.proven)
  const due = [...journal.proven]
    .filter(
      ([name, { place, provenAt }]) =>
        place === 'here' && provenAt + minAgeMs <= Date.now() && !isBusy(name),
    )
    .filter(([name]) => !newest.has(name) && asideOf(name) !== undefined)
    .slice(0, MAX_AT_ONCE)
  if (due.length === 0) return 0
  const writers = readWriters(root, true)
  let count = 0
  for (const [name, proven] of due) {
    if (!writers.isComplete || writers.names.has(name) || isBusy(name)) continue
    if (await evict(name, proven, request)) count += 1
  }
  return count
}

/** Gives files their names back that were about to be removed when a process was killed. */
export async function recoverEvictions(root: string): Promise<void> {
  const aside: string[] = []
  const visitor = {
    file: (name: string) => void (name.endsWith(MARK) && aside.push(name)),
    folder: () => undefined,
    other: () => undefined,
    unreadable: () => undefined,
  }
  await scanFolder(root, visitor, { isOurs: () => false })
  for (const name of aside) {
    const { folder, last } = split(name)
    await giveBack(root, name, `${folder}${last.slice(1, -MARK.length)}`)
  }
}

async function evict(
  name: string,
  proven: ProvenFile,
  { root, journal, store }: EvictRequest,
): Promise<boolean> {
  const found = await store.head(proven.key)
  const isProven =
    found !== undefined && found.etag === proven.etag && found.size === proven.facts.size
  const aside = asideOf(name)
  if (!isProven || aside === undefined) return false
  const [path, asidePath] = [placeOf(root, name), placeOf(root, aside)]
  try {
    await rename(path, asidePath)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false
    throw error
  }
  // Nobody can open it any more; who has it open already is seen now. The rename itself changed its ctime.
  const status = await lstat(asidePath, { bigint: true })
  const facts = { ...factsOf(status), ctimeNs: proven.facts.ctimeNs }
  const writers = readWriters(root, true)
  const isOpen = writers.names.has(aside)
  const isLast = mayDeleteLocal({
    isProven,
    isUnchanged: areEqual(facts, proven.facts),
    writers: isOpen ? 'some' : writers.isComplete ? 'none' : 'unknown',
    hasOwnName: !proven.isConflict,
    isNewestOfSeries: false,
  })
  if (!isLast) {
    await giveBack(root, aside, name)
    return false
  }
  journal.prove(name, { ...proven, place: 'evicted' })
  await journal.flush(true)
  await unlink(asidePath)
  return true
}

/** Under its own name, or where that is taken by now, beside it. */
async function giveBack(root: string, aside: string, name: string): Promise<void> {
  const path = placeOf(root, aside)
  const { ino } = await lstat(path, { bigint: true })
  for (const free of [name, conflictKey(name, `${ino}`.padStart(8, '0'))]) {
    try {
      await link(path, placeOf(root, free))
      await unlink(path)
      return
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error
    }
  }
}

/** Of each folder and pattern of names, the file with the greatest number. */
function newestOfSeries(files: ReadonlyMap<string, ProvenFile>): Set<string> {
  const series = new Map<string, { name: string; numbers: string }>()
  for (const [name, { place }] of files) {
    if (place !== 'here') continue
    const numbers = (name.match(/\d+/g) ?? []).map((number) => number.padStart(20, '0')).join(' ')
    if (numbers === '') continue
    const pattern = name.replaceAll(/\d+/g, '#')
    const newest = series.get(pattern)
    if (newest === undefined || numbers > newest.numbers) series.set(pattern, { name, numbers })
  }
  return new Set([...series.values()].map(({ name }) => name))
}

/** `undefined` for a name that has no room for a mark. */
function asideOf(name: string): string | undefined {
  const { folder, last } = split(name)
  const aside = `.${last}${MARK}`
  return aside.length > MAX_NAME_BYTES ? undefined : folder + aside
}

function split(name: string): { folder: string; last: string } {
  const at = name.lastIndexOf('/') + 1
  return { folder: name.slice(0, at), last: name.slice(at) }
}
