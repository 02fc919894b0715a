import { lstat, open } from 'node:fs/promises'
import { join } from 'node:path'
import { hasErrno } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import { ROOT_MARK } from './ignored.ts'
import type { Journal, ProvenFile } from './journal.ts'
import { placeOf } from './scan-folder.ts'

/** When the object of a file that was removed from the folder is removed as well. */
export interface MirrorSettings {
  /** How long the file must have been gone. */
  graceMs: number
}

interface MirrorRequest extends MirrorSettings {
  root: string
  journal: Journal
  store: FileStore
  /** Files that are being sent. */
  isBusy: (name: string) => boolean
  /** Names of which nothing is sent meanwhile: what comes back under one is sent after its object is gone. */
  withheld: Set<string>
}

export interface Mirrored {
  removed: number
  /** Why nothing is removed although something would be due. */
  held: string | undefined
}

const MAX_AT_ONCE = 1_000
const MAX_SHARE = 0.5
const MAX_CLOCK_MS = 60_000

export interface MirrorFacts {
  /** How many objects would be removed. */
  due: number
  /** How many files the folder has, with those. */
  known: number
  hasMark: boolean
  isClockSteady: boolean
}

/** Why removals are held back; undefined when they may go on. A half-empty folder is rather a mistake than a wish. */
export function whyHeld({ due, known, hasMark, isClockSteady }: MirrorFacts): string | undefined {
  if (!hasMark) return `\`${ROOT_MARK}\`, which marks the folder, is not in it`
  if (!isClockSteady) return 'the clock was changed'
  if (due > MAX_AT_ONCE) return `${due} files are gone, more than ${MAX_AT_ONCE}`
  if (due > known * MAX_SHARE) return `${due} of ${known} files are gone, more than half`
  return undefined
}

/**
 * Removes from S3 what was removed from the folder: only objects that this folder's own files put there, that are still what was put, and
 * whose file has been gone for as long as was asked. The first call only marks the folder; without the mark nothing is concluded from
 * what is missing.
 */
export async function mirrorDeletes(request: MirrorRequest): Promise<Mirrored> {
  const { root, journal, graceMs } = request
  if (!journal.isMarked) {
    await mark(root)
    journal.setMarked()
    return { removed: 0, held: undefined }
  }
  const now = Date.now()
  const due = [...journal.proven].filter(
    ([, { place, goneAt = Infinity }]) => place === 'gone' && goneAt + graceMs <= now,
  )
  if (due.length === 0) return { removed: 0, held: undefined }
  const here = [...journal.proven.values()].filter(({ place }) => place === 'here')
  const held = whyHeld({
    due: due.length,
    known: here.length + due.length,
    hasMark: await isThere(Buffer.from(join(root, ROOT_MARK))),
    isClockSteady: Math.abs(now - performance.timeOrigin - performance.now()) < MAX_CLOCK_MS,
  })
  if (held !== undefined) return { removed: 0, held }
  const used = new Set(here.map(({ key }) => key))
  let removed = 0
  for (const [name, proven] of due) {
    request.withheld.add(name)
    try {
      if (request.isBusy(name) || (await isThere(placeOf(root, name)))) continue
      if (!used.has(proven.key) && (await removeOwn(proven, request.store))) removed += 1
      journal.forget(name)
    } finally {
      request.withheld.delete(name)
    }
  }
  await journal.flush(true)
  return { removed, held: undefined }
}

/** What is there now may be someone else's. */
async function removeOwn({ key, etag, facts }: ProvenFile, store: FileStore): Promise<boolean> {
  const found = await store.head(key)
  if (found === undefined || found.etag !== etag || found.size !== facts.size) return false
  await store.objects.remove([key])
  return true
}

async function mark(root: string): Promise<void> {
  try {
    await using file = await open(join(root, ROOT_MARK), 'wx')
    await file.sync()
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error
  }
}

/** Unless it is certain that it is not. */
async function isThere(path: Buffer): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    return !hasErrno(error, 'ENOENT', 'ENOTDIR')
  }
}
