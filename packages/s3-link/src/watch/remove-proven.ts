import { link, lstat, rename, unlink } from 'node:fs/promises'
import { hasErrno } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { mayDeleteLocal } from '../upload/decisions.ts'
import { areEqual, factsOf } from '../upload/file-facts.ts'
import { conflictKey } from '../upload/key.ts'
import type { ProvenFile } from './journal.ts'
import { placeOf, scanFolder } from './scan-folder.ts'
import { readWriters } from './writers.ts'

export interface RemovalRequest {
  root: string
  name: string
  /** What is on record of it. */
  proven: ProvenFile
  store: FileStore
  /** On the disk when it resolves: the file's end follows. */
  record?: () => Promise<void>
  signal?: AbortSignal | undefined
}

/** `gone`: it was not there any more. Else why it stays. */
export type Removal = 'removed' | 'gone' | { why: string }

const MAX_NAME_BYTES = 255
/** What a file is called between the last look at it and its end: nobody can open it by its name then. */
const MARK = '.berth-evict'

/**
 * Removes a file from the disk when a look at the object, made now, proves that S3 has it, when it is what was proven, and when nobody has it
 * open. Everything else stays, under its own name.
 */
export async function removeProven(request: RemovalRequest): Promise<Removal> {
  const { root, name, proven, store, signal } = request
  if (proven.isConflict) return { why: 'it is in the bucket under another name' }
  const found = await store.head(proven.key, { signal })
  const isProven =
    found !== undefined && found.etag === proven.etag && found.size === proven.facts.size
  if (!isProven) return { why: 'the bucket does not have it as it was sent' }
  const aside = asideOf(name)
  if (aside === undefined) return { why: 'its name is too long' }
  const [path, asidePath] = [placeOf(root, name), placeOf(root, aside)]
  try {
    const before = factsOf(await lstat(path, { bigint: true }))
    if (!areEqual(before, proven.facts)) return { why: 'it has changed since it was sent' }
    await rename(path, asidePath)
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'gone'
    throw error
  }
  // Nobody can open it any more; who has it open already is seen now. The rename itself changed its ctime.
  const status = await lstat(asidePath, { bigint: true })
  const facts = { ...factsOf(status), ctimeNs: proven.facts.ctimeNs }
  const writers = readWriters(root, true)
  const isOpen = writers.names.has(aside)
  const judged = {
    isProven,
    isUnchanged: areEqual(facts, proven.facts),
    writers: isOpen ? ('some' as const) : writers.isComplete ? ('none' as const) : 'unknown',
    hasOwnName: !proven.isConflict,
    isNewestOfSeries: false,
  } as const
  if (!mayDeleteLocal(judged)) {
    await giveBack(root, aside, name)
    return { why: reasonOf(judged) }
  }
  await request.record?.()
  await unlink(asidePath)
  return 'removed'
}

/** Gives files their names back that were about to be removed when a process was killed. */
export async function recoverRemovals(root: string): Promise<void> {
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

/** Whether there is room in a name for the mark. */
export function canBeRemoved(name: string): boolean {
  return asideOf(name) !== undefined
}

function reasonOf(facts: Parameters<typeof mayDeleteLocal>[0]): string {
  if (!facts.isUnchanged) return 'it has changed since it was sent'
  if (facts.writers === 'some') return 'a program has it open'
  if (facts.writers === 'unknown') return 'who has it open can’t be seen'
  return 'it is in the bucket under another name'
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
