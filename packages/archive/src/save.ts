import { existsSync, lstatSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { refuseSystemRoot } from '@berth/filesystem'
import { commitSnapshot } from './commit.ts'
import { type Base, openBase } from './save-base.ts'
import { createManifest } from './save-manifest.ts'
import { type SaveFrame, announce, recordSaved, recordUnchanged } from './save-record.ts'
import { createExclusion } from './exclude.ts'
import { asDiskError } from './disk-error.ts'
import type { CompressionLevel } from './frame.ts'
import { readKnownContent } from './known-content.ts'
import type { StoredFile } from './manifest.ts'
import { machineFacts, workerCount } from './machine.ts'
import { checkArchiveName } from './name.ts'
import type { ArchiveOptions } from './options.ts'
import { type Pool, createPool } from './pool.ts'
import { probeClock, stateDirectoryOf } from './record.ts'
import { type WrittenContent, writeChunks } from './save-chunks.ts'
import {
  type SavePlan,
  addMissing,
  compareWithIndex,
  countVanished,
  recognise,
  sortTree,
} from './save-plan.ts'
import type { SaveTask, SaveTaskResult } from './save-work.ts'
import { type ScannedFile, scanTree } from './scan.ts'
import { createStoreFiles } from './store-files.ts'
import { refuseStoreInside } from './store-place.ts'
import { isSameTree } from './same-tree.ts'
import type { LeftOut, Tree } from './tree.ts'
import { SMALL_FILE_BYTES } from './format.ts'
import { fingerprintVenvs } from './venv.ts'

export interface SaveOptions extends ArchiveOptions {
  /** Absolute. A link is followed: what it points to is saved, with its state there. */
  directory: string
  /** `fast` when the time is short; `normal` (the default) is a tenth smaller. */
  level?: CompressionLevel
  /** Patterns relative to the tree, beside the credentials of known tools that always stay out. */
  exclude?: readonly string[]
  /** Names this machine in the snapshot. */
  pod?: string
  /** Commits to the history although more than half of the entries vanished. */
  acceptVanished?: boolean
}

export type SaveResult =
  | {
      result: 'saved'
      generation: number
      /** The snapshot's name, such as `00000042`. */
      snapshot: string
      /** It lies beside the history, because another save came first or too much had vanished. */
      sibling: boolean
      /** The directory's own past was unknown, so nothing was left away. */
      additive: boolean
      files: number
      /** Files whose content was new. */
      changed: number
      deleted: number
      uploadedBytes: number
      uploadedChunks: number
      leftOut: LeftOut[]
    }
  | { result: 'unchanged'; generation: number; files: number }
  | { result: 'skipped'; reason: string }

/**
 * Saves a directory's state as a new snapshot. Chunks first, then the manifest, which is the commit: a save that is cut at any moment
 * leaves the archive as it was. Without a change nothing is put. Running it twice is the same as once.
 *
 * Throws `archive/incomplete-restore` when the directory is a restore that never finished, and the store's errors.
 */
export async function saveTree(options: SaveOptions): Promise<SaveResult> {
  try {
    return await save(options)
  } catch (error) {
    throw asDiskError(error, `save \`${options.directory}\``)
  }
}

async function save(options: SaveOptions): Promise<SaveResult> {
  checkArchiveName(options.name)
  const excluded = createExclusion(options.exclude, resolve(options.directory))
  if (!existsSync(options.directory))
    return { result: 'skipped', reason: 'the directory does not exist' }
  const root = realpathSync(options.directory)
  refuseSystemRoot(root)
  refuseStoreInside(root, options.store)
  if (!lstatSync(root).isDirectory()) {
    throw new BerthError(
      'archive/not-a-directory',
      `could not save \`${options.directory}\`: it is not a directory`,
      { hint: 'name the directory that holds it, or another' },
    )
  }
  const state = await stateDirectoryOf(root)
  const base = await openBase(options, state)
  const watermark = probeClock(state)
  const scan = await scanTree(root, {
    excluded,
    signal: options.signal,
  })
  const pool = createPool<SaveTask, SaveTaskResult>(
    new URL('./worker.ts', import.meta.url),
    workerCount(),
  )
  try {
    return await saveScan({ options, root, state, base, watermark, scan, pool })
  } finally {
    await pool.close()
  }
}

interface Save extends SaveFrame {
  root: string
  scan: Tree<ScannedFile>
  pool: Pool<SaveTask, SaveTaskResult>
}

async function saveScan(save: Save): Promise<SaveResult> {
  const { base, scan } = save
  const plan = await planSave(save)
  if (plan.fresh.length === 0) {
    const { tree, added } = assembleTree(save, plan.kept, [])
    if (base.manifest !== undefined && isSameTree(tree, base.manifest.tree)) {
      if (plan.suspects > 0 || !base.indexed) await recordUnchanged(save, added > 0)
      return { result: 'unchanged', generation: base.manifest.generation, files: scan.files.length }
    }
  }
  return storeSnapshot(save, plan)
}

async function planSave({ base, scan, options, root, pool }: Save): Promise<SavePlan> {
  const { manifest } = base
  const { kept, suspects } = compareWithIndex(
    scan.files,
    manifest,
    base.indexed ? (base.record?.watermark ?? 0) : 0,
  )
  if (manifest === undefined || suspects.length === 0)
    return { kept, fresh: suspects.map((file) => ({ file, known: [] })), suspects: suspects.length }
  const sizes = new Set(manifest.tree.files.map((file) => file.size))
  const hasLong = manifest.tree.files.some((file) => file.size > SMALL_FILE_BYTES)
  const readable = suspects.filter((file) =>
    file.size > SMALL_FILE_BYTES ? hasLong : sizes.has(file.size),
  )
  const known = await readKnownContent(
    { store: options.store, manifest, sizes: new Set(readable.map((file) => file.size)) },
    { signal: options.signal },
  )
  const found = await recognise(suspects, { root, known, sizes, hasLong, pool })
  return { kept: [...kept, ...found.kept], fresh: found.fresh, suspects: suspects.length }
}

/** The tree as it will be in the manifest: what the scan saw and could be stored, and what an additive save keeps of its base. */
function assembleTree(
  { base, scan }: Save,
  files: readonly StoredFile[],
  leftOut: readonly LeftOut[],
): { tree: Tree<StoredFile>; added: number } {
  const names = new Set(files.map((file) => file.path))
  const tree = sortTree({
    ...scan,
    files: [...files],
    hardLinks: scan.hardLinks.filter((link) => names.has(link.to)),
    leftOut: [...scan.leftOut, ...leftOut],
  })
  return base.additive && base.manifest !== undefined
    ? addMissing(tree, base.manifest.tree)
    : { tree, added: 0 }
}

async function storeSnapshot(save: Save, plan: SavePlan): Promise<SaveResult> {
  const { options, base, root, state, scan, pool } = save
  const chunks = [...(base.manifest?.chunks ?? [])]
  const pending = join(state, 'saving')
  const resumes = existsSync(pending)
  writeFileSync(pending, '')
  if (base.latest === undefined) await createStoreFiles(options.store, { signal: options.signal })
  const writer = { options, root, level: options.level ?? 'normal', pool, chunks, resumes } as const
  const [written, venvs] = await Promise.all([
    writeChunks(writer, plan.fresh),
    machineFacts().then((machine) => fingerprintVenvs(root, machine)),
  ])
  const keptOld = keepPrevious(base, written)
  const { tree, added } = assembleTree(
    save,
    [...plan.kept, ...written.files, ...keptOld],
    written.leftOut,
  )
  const { vanished, entries } = countVanished(tree, base.manifest?.tree ?? tree)
  const beside = isBeside(save, { vanished, entries })
  const manifest = createManifest(save, { tree, chunks, venvs })
  const committed = await commitSnapshot(options, { manifest, hashes: written.hashes, beside })
  await recordSaved(save, { manifest, committed, additive: added > 0 })
  rmSync(pending, { force: true })
  const { leftOut: skipped } = scan
  announce(save, { committed, missed: written.leftOut, skipped, vanished, entries })
  return {
    result: 'saved',
    generation: manifest.generation,
    snapshot: committed.name,
    sibling: committed.sibling,
    additive: base.additive,
    files: tree.files.length,
    changed: written.files.length,
    deleted: vanished,
    uploadedBytes: written.uploadedBytes,
    uploadedChunks: written.uploadedChunks,
    leftOut: tree.leftOut,
  }
}

/** A file that could not be read whole stays in the archive as it was, rather than to look deleted. */
function keepPrevious({ manifest }: Base, written: WrittenContent): StoredFile[] {
  const missed = new Set(written.leftOut.map((entry) => entry.path))
  return missed.size === 0
    ? []
    : (manifest?.tree.files ?? []).filter((file) => missed.has(file.path))
}

function isBeside({ base, options }: Save, count: { vanished: number; entries: number }): boolean {
  if (base.record?.sibling) return true
  if (base.record !== undefined && base.record.snapshot !== base.latest) return true
  return count.vanished * 2 > count.entries && options.acceptVanished !== true
}
