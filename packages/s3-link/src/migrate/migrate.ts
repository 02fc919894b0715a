import { dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError, isBerthError } from '@berth/core/error'
import { isInside, isMountpoint, refuseSystemRoot, resolveReal } from '@berth/filesystem'
import { shownName } from '../upload/key.ts'
import { lockState } from '../watch/folder-lock.ts'
import { Journal } from '../watch/journal.ts'
import { dropUnfinishedUploads } from '../watch/unfinished-uploads.ts'
import { recoverRemovals } from '../watch/remove-proven.ts'
import { readWriters } from '../watch/writers.ts'
import {
  cutOver,
  type Exchange,
  findOriginals,
  foreign,
  lookAt,
  removeReadyLinks,
  rollBack,
} from './cut-over.ts'
import { type Removed, removeOriginal } from './remove-original.ts'
import { passOver, type Moving, type Pass } from './move-files.ts'

export interface MigrateSettings extends Pick<Moving, 'store' | 'prefix' | 'signal'> {
  /** A folder, perhaps with files, whose place the link takes. */
  folder: string
  /** What the link leads to: where the same place of the store is mounted. */
  target: string
  /** Where the link leads at other times: to a folder on the disk while the mount is broken. */
  otherTargets?: readonly string[]
  /** A folder of its own, kept: what is known of the files. */
  state: string
  /** Throws unless the mount is there and works; asked just before the link is made. */
  requireTarget?: () => Promise<void>
  /** How long to wait until nobody writes any more, before the link is made and after; ten seconds each. */
  quiesceMs?: number
  /** Removes from the originals, at the end, what a fresh look proves to be in S3; they are kept whole unless told. */
  removeOriginals?: boolean
  /** Makes folders that hold nothing where the link leads: no object tells of them. Paths relative to the folder. */
  makeFolders?: (names: readonly string[]) => Promise<void>
  /** How the link takes the folder's place in one step; asked of the kernel unless told. */
  exchange?: Exchange
}

export interface MigrationReport {
  /** `moved`: the link is in its place. `unchanged`: it was before, and there was nothing to send. */
  state: 'moved' | 'unchanged'
  files: number
  bytes: number
  /** Of the files, what was not in S3 yet, as far as was known. */
  news: number
  sentBytes: number
  renamed: Pass['renamed']
  leftOut: Pass['leftOut']
  /** What is not proven to be in S3: run it again. */
  unsettled: Pass['unsettled']
  refused: Pass['refused']
  /** Some program still has files of an original open. */
  openFiles: string[]
  /** The folders that were moved aside; each keeps all that was in it, unless it was to be removed. */
  originals: string[]
  /** What was removed of them, and what of them stays; undefined unless that was asked for. */
  removed?: Removed
}

const QUIESCE_MS = 10_000
const MAX_PASSES = 5

/**
 * Moves what is in a folder into S3 and puts a link in its place. Everything is proven to be in S3 before the link is made; what is written
 * meanwhile follows; the original is kept beside it, whole. Nothing is overwritten or removed on either side. May be killed at any time: run
 * again, it goes on from what it finds, not from what it remembers.
 *
 * Throws `s3-link/cannot-move`, `s3-link/foreign-link`, `s3-link/is-mountpoint`, `s3-link/nested`, `s3-link/busy`, `s3-link/already-watched`.
 */
export async function migrate(settings: MigrateSettings): Promise<MigrationReport> {
  const folder = resolve(settings.folder)
  refuseSystemRoot(folder)
  await requireApart(folder, settings)
  const lock = await lockState(settings.state)
  try {
    const journal = await Journal.open(settings.state)
    try {
      const { store, prefix, signal } = settings
      return await goOn(folder, settings, { store, prefix, signal, journal })
    } finally {
      await journal.close()
    }
  } finally {
    await lock.release()
  }
}

async function goOn(
  folder: string,
  settings: MigrateSettings,
  moving: Moving,
): Promise<MigrationReport> {
  const { target, quiesceMs = QUIESCE_MS } = settings
  const targets = [target, ...(settings.otherTargets ?? [])]
  const place = await lookAt(folder, targets)
  if (place === 'foreign') throw foreign(folder)
  await removeReadyLinks(folder, targets)
  const before = place === 'folder' ? await sendBefore(folder, moving, quiesceMs) : []
  const [refused] = before.at(-1)?.refused ?? []
  if (refused !== undefined) throw cannotMove(folder, refused)
  if (place !== 'linked') {
    await requireTarget(folder, settings)
    const emptyFolders = before.at(-1)?.emptyFolders ?? []
    if (emptyFolders.length > 0) await settings.makeFolders?.(emptyFolders)
    await cutOver(folder, target, settings.exchange)
  }
  const originals = await findOriginals(folder)
  for (const original of originals) await recoverRemovals(await resolveReal(original))
  const after = await sendAfter(originals, moving, quiesceMs)
  const moved = merge([...before, ...after.before], after.last)
  const state = place === 'linked' && moved.news === 0 ? 'unchanged' : 'moved'
  const { openFiles } = after
  await tidyUp(moving, openFiles)
  if (!settings.removeOriginals) return { state, ...moved, openFiles, originals }
  const removed = mergeRemoved(
    await inTurn(originals, (original) => removeOriginal(original, moving)),
  )
  return { state, ...moved, openFiles, originals: await findOriginals(folder), removed }
}

/** What killed runs left half sent is paid for until it is ended; a key that may not look for it is no reason to fail. */
async function tidyUp(moving: Moving, openFiles: readonly string[]): Promise<void> {
  try {
    await dropUnfinishedUploads({ ...moving, isWaiting: () => openFiles.length > 0 })
  } catch (error) {
    if (moving.signal?.aborted || !isBerthError(error)) throw error
  }
}

async function inTurn<Item, Result>(
  items: readonly Item[],
  action: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) results.push(await action(item))
  return results
}

function mergeRemoved(all: readonly Removed[]): Removed {
  return {
    files: all.reduce((sum, { files }) => sum + files, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    kept: all.flatMap(({ kept }) => kept),
  }
}

/** Until a pass finds nothing new and nobody writes; or for as long as there is time, for the rest follows after the link is made. */
async function sendBefore(folder: string, moving: Moving, quiesceMs: number): Promise<Pass[]> {
  const end = performance.now() + quiesceMs
  const root = await resolveReal(folder)
  const passes: Pass[] = []
  for (;;) {
    const pass = await passOver(root, moving)
    passes.push(pass)
    const isQuiet = pass.news === 0 && readWriters(root).names.size === 0
    if (isQuiet || (passes.length >= MAX_PASSES && performance.now() >= end)) return passes
    if (pass.news === 0) await sleep(100)
  }
}

/** An app that had a file open goes on writing to the original: until nobody does, or the time is over. */
async function sendAfter(
  originals: readonly string[],
  moving: Moving,
  quiesceMs: number,
): Promise<{ before: Pass[]; last: Pass[]; openFiles: string[] }> {
  const end = performance.now() + quiesceMs
  const before: Pass[] = []
  for (;;) {
    const openFiles: string[] = []
    const last: Pass[] = []
    for (const original of originals) {
      // Before the pass: the last bytes of what is closed during it are for the next one.
      const { names } = readWriters(await resolveReal(original))
      openFiles.push(...[...names].map((name) => `${original}/${shownName(name)}`))
      last.push(await passOver(original, moving))
    }
    const isSettled = last.every(({ news, refused }) => news === 0 && refused.length === 0)
    if ((isSettled && openFiles.length === 0) || performance.now() >= end)
      return { before, last, openFiles }
    before.push(...last)
    await sleep(isSettled ? 200 : 20)
  }
}

/** What was sent by all of them, and what the last ones saw. */
function merge(before: readonly Pass[], last: readonly Pass[]): Pass {
  const sum = (name: 'files' | 'bytes' | 'news' | 'sentBytes', passes: readonly Pass[]): number =>
    passes.reduce((total, pass) => total + pass[name], 0)
  const every = [...before, ...last]
  return {
    files: sum('files', last),
    bytes: sum('bytes', last),
    news: sum('news', every),
    sentBytes: sum('sentBytes', every),
    renamed: last.flatMap(({ renamed }) => renamed),
    leftOut: last.flatMap(({ leftOut }) => leftOut),
    unsettled: last.flatMap(({ unsettled }) => unsettled),
    refused: last.flatMap(({ refused }) => refused),
    emptyFolders: [],
  }
}

/** With a mount that does not work there is no link; and where a killed run left nothing in the folder's place, the folder comes back. */
async function requireTarget(folder: string, settings: MigrateSettings): Promise<void> {
  try {
    await settings.requireTarget?.()
  } catch (error) {
    if ((await lookAt(folder, [settings.target])) === 'absent') await rollBack(folder)
    throw error
  }
}

async function requireApart(
  folder: string,
  { target, state }: Pick<MigrateSettings, 'target' | 'state'>,
): Promise<void> {
  if (await isMountpoint(folder)) {
    throw new BerthError('s3-link/is-mountpoint', `could not move \`${folder}\`: it is a mount`, {
      hint: 'link a folder in it, or use `driver: watch`',
    })
  }
  const place = resolve(
    await resolveReal(dirname(folder)),
    folder.slice(dirname(folder).length + 1),
  )
  for (const other of [target, state]) {
    const real = await resolveReal(dirname(other)).then((parent) =>
      resolve(parent, other.slice(dirname(other).length + 1)),
    )
    if (real !== place && !isInside(real, place) && !isInside(place, real)) continue
    throw new BerthError(
      's3-link/nested',
      `could not move \`${folder}\`: \`${other}\` lies in it, or it in that`,
      {
        hint: 'choose a place outside the folder',
      },
    )
  }
}

function cannotMove(folder: string, { path, why }: { path: string; why: string }): BerthError {
  return new BerthError(
    's3-link/cannot-move',
    `could not move \`${path}\` out of \`${folder}\`: ${why}`,
    { hint: 'repair or remove the file; everything is where it was' },
  )
}
