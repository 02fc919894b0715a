import { randomBytes } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { resolveReal } from '@berth/filesystem'
import type { CompactBounds } from '../compact/choose-groups.ts'
import type { Compacted } from '../compact/compact.ts'
import { probeClock } from '../scan/clock.ts'
import { asDiskError } from '../restore/disk-error.ts'
import { SMALL_FILE_BYTES } from '../format/format.ts'
import { createLookup } from '../format/path-lookup.ts'
import type { CompressionLevel } from '../format/frame-encoder.ts'
import { readKnownContent } from './known-content.ts'
import type { ArchiveOptions } from '../options.ts'
import type { Pool } from '../workers/pool.ts'
import { identityOf } from '../record/record.ts'
import { refuseUnusable } from '../record/refuse.ts'
import { asArchived } from '../venv/rewritten.ts'
import { heldGeneration, openBase } from './save-base.ts'
import { type Cut, eitherSignal, startCut, untilCut } from './save-cut.ts'
import type { LateUnit } from './save-late.ts'
import { inheritOwners } from './save-owner.ts'
import { type Comparison, type SavePlan, compareWithIndex, recognise } from './save-plan.ts'
import { type SaveFrame, recordUnchanged } from './save-record.ts'
import { type SavePool, createSavePool } from './save-pool.ts'
import { assembleTree, storeSnapshot } from './save-snapshot.ts'
import type { SaveTask, SaveTaskResult } from './save-work.ts'
import { isSameTree } from './same-tree.ts'
import { type ScannedFile, scanTree } from '../scan/scan.ts'
import { type Stopwatch, startStopwatch } from '../workers/stopwatch.ts'
import { lockTree } from '../record/tree-lock.ts'
import { type TreePlace, placeAt } from '../record/tree-place.ts'
import type { LeftOut, Tree } from '../format/tree.ts'
import { saveTouched } from './save-touched.ts'
import { findTouched } from './touched.ts'

export interface SaveOptions extends ArchiveOptions {
  /** Absolute. A link is followed: what it points to is saved, with its state there. */
  directory: string
  /** `fast` when the time is short; `normal` (the default) is a tenth smaller. */
  level?: CompressionLevel
  /**
   * Milliseconds since the epoch. What can be sent until shortly before is saved, environments and directories each as a whole; the rest
   * stays in the archive as it was, is named, and is left to the next save.
   */
  deadline?: number | undefined
  /** Patterns relative to the tree, beside the credentials of known tools that always stay out. */
  exclude?: readonly string[]
  /** Names this machine in the snapshot. */
  pod?: string
  /** Commits to the history although more than half of the entries vanished, now or in an earlier save that went beside it. */
  acceptVanished?: boolean
  /**
   * Behind the save, the newest snapshot's chunks are compacted when that is worth it: true, or with other bounds. Takes time and
   * traffic, so it is for a save that nobody waits for, and nothing with a deadline.
   */
  compact?: boolean | Partial<CompactBounds>
}

export type SaveResult =
  | {
      /** `partial`: the time was over before all of it was sent; what `late` names is in the archive as it was before. */
      result: 'saved' | 'partial'
      late: LateUnit[]
      generation: number
      /** The snapshot's name, such as `00000042`. */
      snapshot: string
      /** It lies beside the history, because another save came first or too much had vanished. */
      sibling: boolean
      /** The history had gone on, and was merged with this save: how much both had changed, each in its own way. */
      conflicts?: number
      /** The directory's own past was unknown, so nothing was left away. */
      additive: boolean
      files: number
      /** Files whose content was new; of a first save all that are in the snapshot. */
      changed: number
      deleted: number
      uploadedBytes: number
      uploadedChunks: number
      leftOut: LeftOut[]
      compacted?: Compacted
    }
  | { result: 'unchanged'; generation: number; files: number; compacted?: Compacted }
  | { result: 'skipped'; reason: string }

/**
 * Saves a directory's state as a new snapshot. Chunks first, then the manifest, which is the commit: a save that is cut at any moment
 * leaves the archive as it was. Without a change nothing is put. Running it twice is the same as once.
 *
 * Throws `archive/incomplete-restore` when the directory is a restore that never finished, and the store's errors.
 */
export async function saveTree(options: SaveOptions): Promise<SaveResult> {
  try {
    const directory = await resolveReal(options.directory)
    refuseUnusable(options, directory)
    const stats = lstatSync(directory, { throwIfNoEntry: false })
    if (stats === undefined) return { result: 'skipped', reason: `${directory} does not exist` }
    if (!stats.isDirectory()) throw notADirectory(directory)
    const place = await placeAt(directory)
    await using _lock = await lockTree(place.state, {
      signal: options.signal,
      onWait: () => options.onNote?.('info', `waits for another process at ${directory}`),
    })
    return await compactIfAsked(options, place, await save(options, place))
  } catch (error) {
    throw asDiskError(error, `save \`${options.directory}\``)
  }
}

async function compactIfAsked(
  options: SaveOptions,
  place: TreePlace,
  saved: SaveResult,
): Promise<SaveResult> {
  const { compact = false, deadline } = options
  if (compact === false || deadline !== undefined || saved.result === 'skipped') return saved
  const { compactAfterSave } = await import('../compact/after-save.ts')
  const bounds = compact === true ? undefined : compact
  const hasSaved = saved.result === 'saved'
  const compacted = await compactAfterSave({ ...options, bounds, hasSaved }, place)
  if (compacted === undefined) return saved
  return { ...saved, generation: compacted.generation, compacted }
}

/** What a save knows once it has looked at the tree. */
export interface Save extends SaveFrame {
  scan: Tree<ScannedFile>
  pool: Pool<SaveTask, SaveTaskResult>
  /** Since before the base was read. */
  watch: Stopwatch
  /** When no more content may be sent; absent when there is no deadline. */
  cut: Cut | undefined
}

// To sort out fewer takes less than a thread to start.
const MANY_FILES = 5000

async function save(options: SaveOptions, place: TreePlace): Promise<SaveResult> {
  const identity = identityOf(place.directory)
  const watch = startStopwatch(options.now)
  using cut = startCut(options.deadline)
  const pool = createSavePool(options.signal)
  try {
    const looked = await lookAtTree({ options, place, identity, pool, watch, cut })
    return 'result' in looked ? looked : await saveScan(looked)
  } finally {
    await pool.close()
  }
}

/** Compares the tree with its base by their columns; where that does not settle it, all that is known of it but the columns. */
async function lookAtTree(
  frame: Pick<Save, 'options' | 'place' | 'identity' | 'watch' | 'cut'> & { pool: SavePool },
): Promise<SaveResult | Save> {
  const { options, place, pool, cut } = frame
  const { signal } = options
  const { directory, isMountpoint } = place
  const patterns = options.exclude ?? []
  const rules = { patterns, directory: resolve(options.directory), isMountpoint }
  const ended = new AbortController()
  try {
    const watermark = probeClock(place.state)
    // The store answers while the disk is read.
    const [base, found] = await Promise.all([
      openBase(options, place),
      scanTree(directory, { rules, signal: eitherSignal(signal, ended.signal), helpers: pool }),
    ])
    cut?.planCommit()
    // A clock that was set back makes new changes look old.
    if (watermark < base.watermark) base.watermark = 0
    const id = randomBytes(8).toString('hex')
    const known = { ...frame, base, id, watermark }
    const touched = findTouched(found, base, directory)
    if (touched !== undefined) {
      const { rewritten } = touched
      const saved = await saveTouched({ ...known, columns: found.columns, rewritten }, touched)
      if (saved !== undefined) return saved
    }
    // Of a first save all is read: the threads start while this one sorts out what there is.
    if (base.manifest === undefined && found.columns.files.size.length > MANY_FILES) pool.start()
    const owned = inheritOwners(found.tree, base.manifest, process.getuid?.())
    const { scan, rewritten } = asArchived(owned, base, directory)
    return { ...known, rewritten, scan }
  } finally {
    ended.abort()
  }
}

async function saveScan(save: Save): Promise<SaveResult> {
  const { base, scan, cut } = save
  const compared = compareWithIndex(scan.files, base.manifest, base.watermark)
  // What could not be looked at in time is taken for new, and left to the next save.
  const plan = (await untilCut(cut?.signal, planSave(save, compared))) ?? allFresh(compared)
  if (plan.fresh.length === 0 && base.manifest !== undefined && !base.diverged && !base.pending) {
    const { tree, added } = assembleTree(save, plan.kept, [])
    if (isSameTree(tree, base.manifest.tree)) {
      if (plan.suspects > 0 || base.watermark === 0) await recordUnchanged(save, added > 0)
      const generation = heldGeneration(base, base.manifest)
      return { result: 'unchanged', generation, files: scan.files.length }
    }
  }
  return storeSnapshot(save, plan)
}

function allFresh({ kept, suspects }: Comparison): SavePlan {
  return { kept, fresh: suspects.map((file) => ({ file })), suspects: suspects.length }
}

async function planSave(
  { base: { manifest, watermark }, options, place, pool, cut }: Save,
  compared: Comparison,
): Promise<SavePlan> {
  if (manifest === undefined || compared.suspects.length === 0) return allFresh(compared)
  // To read what is new anyway would take the time in which it could be sent.
  const isIndexed = createLookup(manifest.tree.files)
  const isNew = ({ path, mtime }: ScannedFile): boolean =>
    mtime >= watermark && isIndexed(path) === undefined
  const unread = new Set(cut === undefined ? [] : compared.suspects.filter(isNew))
  const suspects = compared.suspects.filter((file) => !unread.has(file))
  const { fresh } = allFresh({ kept: [], suspects: [...unread] })
  const sizes = new Set(manifest.tree.files.map((file) => file.size))
  const hasLong = manifest.tree.files.some((file) => file.size > SMALL_FILE_BYTES)
  const readable = suspects.filter((file) =>
    file.size > SMALL_FILE_BYTES ? hasLong : sizes.has(file.size),
  )
  const known = await readKnownContent(
    { store: options.store, manifest, sizes: new Set(readable.map((file) => file.size)) },
    { signal: options.signal },
  )
  const found = await recognise(suspects, { root: place.directory, known, sizes, hasLong, pool })
  return {
    kept: [...compared.kept, ...found.kept],
    fresh: [...fresh, ...found.fresh],
    suspects: compared.suspects.length,
  }
}

function notADirectory(directory: string): BerthError {
  return new BerthError(
    'archive/not-a-directory',
    `could not save \`${directory}\`: it is not a directory`,
    { hint: 'name the directory that holds it, or another' },
  )
}
