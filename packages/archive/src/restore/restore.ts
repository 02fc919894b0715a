import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { BerthError, isBerthError } from '@berth/core/error'
import { recoverSwap, removeTree, requireRoom } from '@berth/filesystem'
import { chooseSnapshot, type ChosenSnapshot, type PassedOver } from './choose-snapshot.ts'
import { commitTree, settleTree } from './commit-tree.ts'
import { damageHint } from '../format/damage-hint.ts'
import { removeEmpty } from './empty-directories.ts'
import { asDiskError } from './disk-error.ts'
import { type GrowingTree, openHeadStart } from './head-start.ts'
import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { OWN_ENTRIES } from './put-tree.ts'
import { columnsOf, roomFor, sumSizes } from '../snapshots/read-facts.ts'
import { type TreeRecord, readRecordOf, unreadRecord, writeRecord } from '../record/record.ts'
import { refuseUnusable } from '../record/refuse.ts'
import { type Crew, fillStaging } from './restore-tree.ts'
import type { Rewritten } from '../venv/rewritten.ts'
import { type Staging, openStaging } from './staging.ts'
import { lockTree } from '../record/tree-lock.ts'
import { type TreePlace, placeAt, stateRoot } from '../record/tree-place.ts'

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
      /** Files of venvs, and links, that name another place than in the archive, because the tree is not where it was saved. */
      rewritten: number
      /** Where the directory that was there is now. */
      aside?: string
      /** Newer snapshots that don't fit this machine. */
      passedOver: PassedOver[]
      /** Snapshots that lie beside the history, newest first. */
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
 * and the store's errors; the directory is then as it was. Where it was not one that Berth knows whole, a save of it is refused until
 * a restore succeeds.
 */
export async function restoreTree(options: RestoreOptions): Promise<RestoreResult> {
  try {
    refuseUnusable(options, options.directory)
    const parent = dirname(options.directory)
    const made = mkdirSync(parent, { recursive: true })
    const place = await placeAt(options.directory)
    await using _lock = await lockTree(place.state, {
      signal: options.signal,
      onWait: () => options.onNote?.('info', `waits for another process at ${place.directory}`),
    })
    const result = await restore(options, place)
    // A name that no archive has leaves nothing behind.
    if (result.result === 'absent') {
      removeEmpty(place.state, stateRoot(place))
      if (made !== undefined) removeEmpty(parent, made)
    }
    return result
  } catch (error) {
    throw asDiskError(withTarget(error, options), `restore \`${options.directory}\``)
  }
}

/** What is wrong with an object says by itself neither what it was read for nor where to. */
function withTarget(error: unknown, { directory, name }: RestoreOptions): unknown {
  const isOfObject =
    isBerthError(error) && /^archive\/(corrupt-chunk|missing-chunk|unsafe-path)$/.test(error.code)
  if (!isOfObject) return error
  const { code, message } = error
  const hint = code.endsWith('-chunk') ? damageHint(name) : error.hint
  return new BerthError(code, `could not restore \`${directory}\`: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  })
}

async function restore(options: RestoreOptions, place: TreePlace): Promise<RestoreResult> {
  await recoverSwap(place.directory)
  await settleTree(place)
  const record = await readRecordOf(place)
  const present = await describePresent(place)
  const kept = decideKept(options, record, present)
  if (kept !== undefined) return kept
  // A whole directory that shall be replaced stays whole, and is saved, until it is replaced.
  const isWhole = record?.complete === true && present === 'filled'
  const isRefused = record?.complete === false && record.archive === options.name
  if (!isWhole && !isRefused) await writeRecord(place.state, unreadRecord(options))
  await using headStart = openHeadStart(options, place.state, (quiet, growing) =>
    growTree(quiet, place, growing),
  )
  const chosen = await chooseSnapshot(options, headStart.onCandidate)
  if (chosen === undefined) {
    // Also one that an attempt wrote which did not reach the store: an archive that does not exist needs no protection from a save.
    if (!isWhole) rmSync(join(place.state, 'record.json'), { force: true })
    return { result: 'absent' }
  }
  const { crew, tree } = await headStart.confirm(chosen.manifest)
  return await putInPlace(options, { place, crew, tree }, chosen)
}

type Present = 'absent' | 'empty' | 'link' | 'filled' | 'file'

async function describePresent({ directory, isMountpoint }: TreePlace): Promise<Present> {
  const stats = await lstat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (stats === undefined) return 'absent'
  if (stats.isSymbolicLink()) return 'link'
  if (!stats.isDirectory()) return 'file'
  return readdirSync(directory).some((name) => !isMountpoint || !OWN_ENTRIES.has(name))
    ? 'filled'
    : 'empty'
}

function decideKept(
  { directory, name, existing, at }: RestoreOptions,
  record: TreeRecord | undefined,
  present: Present,
): RestoreResult | undefined {
  if (present !== 'filled') return undefined
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

/** Another pod on the same volume may have been faster. */
async function decideKeptNow(
  options: RestoreOptions,
  place: TreePlace,
): Promise<RestoreResult | undefined> {
  return decideKept(options, await readRecordOf(place), await describePresent(place))
}

async function putInPlace(
  options: RestoreOptions,
  { place, crew, tree }: { place: TreePlace; crew: Crew; tree?: GrowingTree | undefined },
  chosen: ChosenSnapshot,
): Promise<RestoreResult> {
  const { manifest, reference, passedOver, siblings } = chosen
  const columns = columnsOf(manifest)
  const growing = tree ?? growTree(options, place, { manifest, crew })
  using staging = await growing.staging
  const rewritten = await growing.rewritten
  const kept = await decideKeptNow(options, place)
  if (kept !== undefined) {
    if (staging !== undefined) await removeTree(staging.directory)
    return kept
  }
  if (staging === undefined || rewritten === undefined)
    return putInPlace(options, { place, crew }, chosen)
  const aside = await commitTree(options, { place, chosen, staging, rewritten })
  await chosen.announce()
  return {
    result: 'restored',
    generation: manifest.generation,
    snapshot: reference.name,
    files: columns.files.size.length,
    bytes: sumSizes(columns),
    rewritten: rewritten.files.length + rewritten.links.length,
    ...(aside === undefined ? {} : { aside }),
    passedOver,
    siblings,
  }
}

function growTree(
  options: RestoreOptions,
  place: TreePlace,
  { manifest, crew }: { manifest: Manifest; crew: Crew },
): GrowingTree {
  const opening = openStaging({
    state: place.state,
    id: manifest.id,
    signal: options.signal,
    isDone: async () => (await decideKeptNow(options, place)) !== undefined,
  })
  const fill = async (): Promise<Rewritten | undefined> => {
    const staging = await opening
    if (staging === undefined) return undefined
    const purpose = `restore \`${options.directory}\``
    if (!staging.continued) await requireRoom(place.state, roomFor(columnsOf(manifest)), purpose)
    return await fillOrExplain(options, place, { manifest, staging, crew })
  }
  const rewritten = fill()
  // What went wrong counts once the tree is asked for.
  rewritten.catch(() => {})
  return { staging: opening, rewritten }
}

async function fillOrExplain(
  options: RestoreOptions,
  place: TreePlace,
  filling: { manifest: Manifest; staging: Staging; crew: Crew },
): Promise<Rewritten> {
  const destination = { named: resolve(options.directory), real: place.directory }
  try {
    return await fillStaging({ options, destination, ...filling })
  } catch (cause) {
    if (existsSync(filling.staging.directory)) throw cause
    throw new BerthError(
      'archive/taken-over',
      `could not restore \`${options.directory}\`: another pod has taken it over after this one had been still`,
      { hint: 'try again: what the other pod puts in place is kept', cause },
    )
  }
}
