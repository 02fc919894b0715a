import { BerthError } from '@berth/core/error'
import { readCondemned } from '../prune/condemned.ts'
import type { Chunk, StoredFile } from '../format/manifest.ts'
import { addMissing, unreadPaths } from '../snapshots/missing.ts'
import { identityOf } from '../record/record.ts'
import { markSave } from './save-marks.ts'
import type { ChunkWriter, WrittenContent } from './chunk-writer.ts'
import { writeChunks } from './save-chunks.ts'
import {
  announceLate,
  isNothingNew,
  type LateUnit,
  lateText,
  missingFiles,
  orderUnits,
  settleLate,
  settleVenvs,
} from './save-late.ts'
import { renameLostFiles } from './save-links.ts'
import { commitSave } from './save-commit.ts'
import { createManifest } from './save-manifest.ts'
import { type SavePlan, countVanished } from './save-plan.ts'
import { findFingerprints } from './save-venvs.ts'
import type { Save, SaveOptions, SaveResult } from './save.ts'
import { sortTree } from '../format/sort-tree.ts'
import { createStoreFiles } from '../snapshots/store-files.ts'
import type { LeftOut, Tree, TreePath } from '../format/tree.ts'

/** Stores what is new and commits the snapshot. */
export async function storeSnapshot(save: Save, plan: SavePlan): Promise<SaveResult> {
  const { options, base, place, id } = save
  const chunks: Chunk[] = [...(base.manifest?.chunks ?? [])]
  markSave(place, id)
  const [written, venvs] = await Promise.all([
    sendContent(save, plan, chunks),
    findFingerprints(save, isSameConfig(save)),
  ])
  // Threads that have nothing to do any more keep memory that the commit can use.
  void save.pool.close()
  const inTime = settleLate(
    save,
    [...plan.kept, ...written.files],
    missingFiles(save, plan, written),
  )
  const { late } = inTime
  const own = { ...save, scan: inTime.scan }
  const { tree, added } = assembleTree(own, inTime.files, written.leftOut, inTime.isLate)
  if (late.length > 0 && isNothingNew(tree, base)) throw noTime(options, late)
  announceLate(options, late)
  requireSameDirectory(save)
  const before = base.ancestor ?? base.manifest
  const { vanished, entries } =
    before === undefined ? { vanished: 0, entries: 0 } : countVanished({ tree, chunks }, before)
  const beside = isBeside(save, { vanished, entries })
  const manifest = createManifest(save, {
    tree,
    chunks,
    venvs: settleVenvs(base, venvs, inTime),
    beside,
    late,
  })
  return commitSave(save, {
    manifest,
    written,
    beside,
    late,
    added,
    vanished,
    entries,
    files: tree.files.length,
    leftOut: tree.leftOut,
  })
}

async function sendContent(save: Save, plan: SavePlan, chunks: Chunk[]): Promise<WrittenContent> {
  const { options, base, place, pool, cut } = save
  const { store, signal } = options
  if (base.latest === undefined) await createStoreFiles(store, { signal })
  const writer: ChunkWriter = {
    options,
    condemned: await readCondemned(store, { signal }),
    root: place.directory,
    level: options.level ?? 'normal',
    pool,
    chunks,
    resumes: base.marks.length > 0,
    cut,
  }
  return writeContent(writer, save, plan)
}

/** A file that lost its first name meanwhile is stored under the next. */
async function writeContent(
  writer: ChunkWriter,
  save: Save,
  plan: SavePlan,
): Promise<WrittenContent> {
  const { scan, cut } = save
  const lanes = cut === undefined ? [plan.fresh] : orderUnits(save, plan.fresh)
  const written = await writeChunks(writer, lanes)
  if (scan.hardLinks.length === 0 || cut?.signal.aborted === true) return written
  const stored = new Set([...plan.kept, ...written.files].map((file) => file.path))
  const renamed = renameLostFiles(writer.root, scan, stored)
  if (renamed.length === 0) return written
  const more = await writeChunks(writer, [renamed.map((file) => ({ file }))])
  return {
    ...written,
    files: [...written.files, ...more.files],
    hashes: [...written.hashes, ...more.hashes],
    leftOut: [...written.leftOut, ...more.leftOut],
    uploadedBytes: written.uploadedBytes + more.uploadedBytes,
    uploadedChunks: written.uploadedChunks + more.uploadedChunks,
  }
}

/** The tree as it will be in the manifest: what the scan saw and could be stored, and what of its base must not look deleted. */
export function assembleTree(
  { base, scan }: Save,
  files: readonly StoredFile[],
  leftOut: readonly LeftOut[],
  isLate?: (path: TreePath) => boolean,
): { tree: Tree<StoredFile>; added: number } {
  const own = { ...scan, files: [...files], leftOut: [...scan.leftOut, ...leftOut] }
  const isUnread = unreadPaths(own.leftOut)
  const isWanted = (path: TreePath): boolean =>
    base.additive || isUnread(path) || isLate?.(path) === true
  const isWhole =
    !base.additive && isLate === undefined && !own.leftOut.some(({ unread }) => unread)
  const { tree, added } =
    base.manifest === undefined || isWhole
      ? { tree: sortTree(own), added: 0 }
      : addMissing(own, base.manifest.tree, isWanted)
  if (tree.hardLinks.length === 0) return { tree, added }
  const names = new Set(tree.files.map((file) => file.path))
  return { tree: { ...tree, hardLinks: tree.hardLinks.filter(({ to }) => names.has(to)) }, added }
}

/** A venv whose configuration is as the base has it. */
function isSameConfig({ base, scan }: Save): (config: TreePath) => boolean {
  return (config) => {
    const old = base.manifest?.tree.files.find((file) => file.path === config)
    return old !== undefined && old.mtime === scan.files.find(({ path }) => path === config)?.mtime
  }
}

/** One that is moved or unmounted meanwhile looks as if all that was not seen yet had been deleted. */
function requireSameDirectory({ place, identity }: Save): void {
  if (identityOf(place.directory) === identity) return
  throw new BerthError(
    'archive/moved',
    `could not save \`${place.directory}\`: it was moved, replaced or unmounted meanwhile`,
    { hint: 'save again' },
  )
}

function noTime({ directory, name }: SaveOptions, late: readonly LateUnit[]): BerthError {
  return new BerthError(
    'archive/no-time',
    `could not save \`${directory}\` to \`${name}\`: the time was over before any part of it was sent as a whole: ${lateText(late)}`,
    { hint: 'give the shutdown a longer grace, or save while the app runs as well, with `every:`' },
  )
}

function isBeside({ base, options }: Save, count: { vanished: number; entries: number }): boolean {
  if (base.diverged) return true
  if (options.acceptVanished === true) return false
  // Nothing is known of what the tree and the history have in common.
  if (base.record?.sibling && base.ancestor === undefined) return true
  return count.vanished * 2 > count.entries
}
