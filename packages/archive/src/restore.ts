import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { lstat, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import {
  asideName,
  readFileIfPresent,
  recoverSwap,
  refuseSystemRoot,
  requireRoom,
  swapDirectory,
  writeFileAtomic,
} from '@berth/filesystem'
import { chooseSnapshot, type ChosenSnapshot, type PassedOver } from './choose-snapshot.ts'
import { asDiskError } from './disk-error.ts'
import { totalBytes } from './manifest.ts'
import { checkArchiveName } from './name.ts'
import type { ArchiveOptions } from './options.ts'
import {
  type TreeRecord,
  readFileSystemClock,
  readRecordIn,
  stateDirectoryOf,
  writeRecord,
} from './record.ts'
import { fillStaging } from './restore-tree.ts'
import { refuseStoreInside } from './store-place.ts'

export interface RestoreOptions extends ArchiveOptions {
  /** Absolute. Absent, the old or the complete new tree: never anything between. */
  directory: string
  /** What to do with a real, non-empty directory that Berth has no record of: rename it aside (the default), leave it, or fail. */
  existing?: 'aside' | 'keep' | 'fail'
  /** A snapshot by generation or name, instead of the newest that fits this machine. */
  at?: string | undefined
}

export type RestoreResult =
  | {
      result: 'restored'
      generation: number
      snapshot: string
      files: number
      /** Of the files, uncompressed. */
      bytes: number
      /** Where the directory that was there is now. */
      aside?: string
      /** Newer snapshots that don't fit this machine. */
      passedOver: PassedOver[]
      /** Snapshots that lie beside the history and that no later one continues. */
      siblings: string[]
    }
  | { result: 'kept'; generation: number; reason: string }
  /** The store has no such archive. */
  | { result: 'absent' }

/**
 * Puts a snapshot's tree in place. It is built in a sibling directory and renamed when it is whole; a restore that was cut is
 * continued. What Berth restored completely before is never rewritten.
 *
 * Throws `archive/existing`, `archive/missing-chunk`, `archive/corrupt-chunk`, `archive/no-fitting-snapshot`, `filesystem/no-room`
 * and the store's errors; the directory is then as it was, and a save of it is refused until a restore succeeds.
 */
export async function restoreTree(options: RestoreOptions): Promise<RestoreResult> {
  try {
    return await restore(options)
  } catch (error) {
    throw asDiskError(error, `restore \`${options.directory}\``)
  }
}

async function restore(options: RestoreOptions): Promise<RestoreResult> {
  const { directory } = options
  refuseSystemRoot(directory)
  checkArchiveName(options.name)
  refuseStoreInside(directory, options.store)
  mkdirSync(dirname(directory), { recursive: true })
  const state = await stateDirectoryOf(directory)
  await recoverSwap(directory)
  const record = await settleRecord(state, directory)
  const present = await describePresent(directory, state)
  const kept = decideKept(options, record, present)
  if (kept !== undefined) return kept
  await beginRestore(options, state, record)
  const chosen = await chooseSnapshot(options)
  if (chosen === undefined) {
    // Also one that an attempt wrote which did not reach the store: an archive that does not exist needs no protection from a save.
    rmSync(join(state, 'record.json'), { force: true })
    return { result: 'absent' }
  }
  return putInPlace(options, { state, chosen, present })
}

type Present = 'absent' | 'empty' | 'link' | 'filled' | 'file'

async function describePresent(directory: string, state: string): Promise<Present> {
  const stats = await lstat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (stats === undefined) return 'absent'
  if (stats.isSymbolicLink()) return 'link'
  if (!stats.isDirectory()) return 'file'
  // In a mountpoint our own state lies inside, and a fresh file system has a lost+found.
  const isMounted = state.startsWith(`${directory}/`)
  return readdirSync(directory).some((name) => !isMounted || !OWN_ENTRIES.has(name))
    ? 'filled'
    : 'empty'
}

/** A restore that was cut between the rename and its last record is complete: the directory is the staging directory by its inode. */
async function settleRecord(state: string, directory: string): Promise<TreeRecord | undefined> {
  const record = await readRecordIn(state)
  if (record?.pendingInode === undefined) return record
  const inode = (await lstat(directory).catch(() => undefined))?.ino
  const moved = await finishMove(directory, state)
  if (inode !== record.pendingInode && !moved) return record
  const { pendingInode: _pending, ...settled } = { ...record, complete: true }
  await writeRecord(state, { record: settled, index: undefined })
  return settled
}

function decideKept(
  { directory, name, existing, at }: RestoreOptions,
  record: TreeRecord | undefined,
  present: Present,
): RestoreResult | undefined {
  const isThere = present === 'filled'
  if (!isThere) return undefined
  if (record?.complete === true && record.archive === name && at === undefined) {
    return {
      result: 'kept',
      generation: record.generation,
      reason: 'it was restored or saved here before',
    }
  }
  if (existing === 'keep') return { result: 'kept', generation: 0, reason: 'it was there already' }
  if (existing === 'fail') {
    throw new BerthError(
      'archive/existing',
      `could not restore \`${directory}\`: a directory that is not berth's is there`,
      {
        hint: 'move it away, or use `existing: aside` to have it renamed',
      },
    )
  }
  return undefined
}

/** From now on a save of this directory is refused, until all of it is in place. */
async function beginRestore(
  { name, store }: RestoreOptions,
  state: string,
  record: TreeRecord | undefined,
): Promise<void> {
  if (record !== undefined && !record.complete) return
  await writeRecord(state, {
    record: {
      ...unreadRecord,
      archive: name,
      store: store.url,
      writtenAt: new Date().toISOString(),
    },
    index: undefined,
  })
}

const unreadRecord: TreeRecord = {
  archive: '',
  store: '',
  snapshot: '',
  generation: 0,
  id: '',
  complete: false,
  additive: false,
  sibling: '',
  watermark: 0,
  writtenAt: '',
}

interface Placing {
  state: string
  chosen: ChosenSnapshot
  present: Present
}

async function putInPlace(
  options: RestoreOptions,
  { state, chosen, present }: Placing,
): Promise<RestoreResult> {
  const { manifest, reference } = chosen
  const staging = join(state, `staging-${reference.name}`)
  discardOtherStagings(state, staging)
  const bytes = totalBytes(manifest.tree)
  if (!existsSync(staging))
    await requireRoom(
      state,
      { bytes, files: manifest.tree.files.length },
      `\`${options.directory}\``,
    )
  await fillStaging({ options, manifest, staging, journal: `${staging}.journal` })
  const watermark = await readFileSystemClock(state)
  const record: TreeRecord = {
    ...unreadRecord,
    archive: options.name,
    store: options.store.url,
    snapshot: reference.sibling ? (chosen.latest ?? '') : reference.name,
    generation: manifest.generation,
    id: manifest.id,
    sibling: reference.sibling ? reference.name : '',
    watermark,
    writtenAt: new Date().toISOString(),
  }
  const pendingInode = (await lstat(staging)).ino
  await writeRecord(state, { record: { ...record, pendingInode }, index: manifest })
  const aside = await moveIntoPlace(options.directory, { staging, state, present })
  await writeRecord(state, { record: { ...record, complete: true }, index: manifest })
  rmSync(`${staging}.journal`, { force: true })
  return {
    result: 'restored',
    generation: manifest.generation,
    snapshot: reference.name,
    files: manifest.tree.files.length,
    bytes,
    ...(aside === undefined ? {} : { aside }),
    passedOver: chosen.passedOver,
    siblings: chosen.siblings,
  }
}

/** A half-made tree of another snapshot is of no use to this one. */
function discardOtherStagings(state: string, staging: string): void {
  for (const name of readdirSync(state)) {
    const path = join(state, name)
    if (name.startsWith('staging-') && path !== staging && path !== `${staging}.journal`)
      rmSync(path, { recursive: true, force: true })
  }
}

async function moveIntoPlace(
  directory: string,
  from: { staging: string; state: string; present: Present },
): Promise<string | undefined> {
  if (from.state.startsWith(`${directory}/`)) return moveEntries(directory, from)
  if (from.present === 'link') {
    const aside = await asideName(directory)
    await rename(directory, aside)
    await swapDirectory({ staged: from.staging, at: directory })
    return aside
  }
  return (await swapDirectory({ staged: from.staging, at: directory })).aside
}

/**
 * Into a mountpoint, which can't be renamed over: entry by entry, after what was there was moved aside. A marker keeps the name of the
 * staging directory until the last entry is in, so that a cut is ended by the next call.
 */
async function moveEntries(
  directory: string,
  { staging, state }: { staging: string; state: string },
): Promise<string | undefined> {
  const occupied = readdirSync(directory).filter((name) => !OWN_ENTRIES.has(name))
  let aside: string | undefined
  if (occupied.length > 0) {
    aside = join(directory, '.berth', `aside-${Date.now()}`)
    mkdirSync(aside, { recursive: true })
    for (const name of occupied) await rename(join(directory, name), join(aside, name))
  }
  await writeFileAtomic(join(state, MOVING), staging)
  await finishMove(directory, state)
  return aside
}

const OWN_ENTRIES: ReadonlySet<string> = new Set(['.berth', 'lost+found'])
const MOVING = 'moving'

/** Moves what is left in the staging directory. Answers whether a move had begun. */
async function finishMove(directory: string, state: string): Promise<boolean> {
  const staging = (await readFileIfPresent(join(state, MOVING)))?.toString('utf8')
  if (staging === undefined) return false
  for (const name of existsSync(staging) ? readdirSync(staging) : [])
    await rename(join(staging, name), join(directory, name))
  rmSync(staging, { recursive: true, force: true })
  rmSync(join(state, MOVING))
  return true
}
