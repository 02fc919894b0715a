import { resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { commitSnapshot } from '../merge/commit.ts'
import { readCondemned } from '../prune/condemned.ts'
import type { Chunk, Manifest, StoredFile } from '../format/manifest.ts'
import { keepLocal } from '../merge/merge-base.ts'
import { addMissing, unreadPaths } from '../snapshots/missing.ts'
import { identityOf } from '../record/record.ts'
import { baseSnapshot, markSave } from './save-base.ts'
import { type ChunkWriter, type WrittenContent, writeChunks } from './save-chunks.ts'
import { eitherSignal } from './save-cut.ts'
import { requireUnpruned } from './save-guard.ts'
import {
  announceLate,
  isNothingNew,
  missingFiles,
  orderUnits,
  settleLate,
  settleVenvs,
} from './save-late.ts'
import { renameLostFiles } from './save-links.ts'
import { createManifest } from './save-manifest.ts'
import { type SavePlan, countVanished } from './save-plan.ts'
import { announce, recordSaved } from './save-record.ts'
import type { Save, SaveOptions, SaveResult } from './save.ts'
import { sortTree } from '../format/sort-tree.ts'
import { createStoreFiles } from '../snapshots/store-files.ts'
import type { LeftOut, Tree, TreePath } from '../format/tree.ts'
import { locateVenv } from '../venv/venv-moves.ts'
import { fingerprintVenvs } from '../venv/venv.ts'

/** Stores what is new and commits the snapshot. */
export async function storeSnapshot(save: Save, plan: SavePlan): Promise<SaveResult> {
  const { options, base, place, id } = save
  const chunks: Chunk[] = [...(base.manifest?.chunks ?? [])]
  markSave(place, id)
  const [written, venvs] = await Promise.all([
    sendContent(save, plan, chunks),
    findFingerprints(save),
  ])
  const inTime = settleLate(
    save,
    [...plan.kept, ...written.files],
    missingFiles(save, plan, written),
  )
  const { late } = inTime
  const own = { ...save, scan: inTime.scan }
  const { tree, added } = assembleTree(own, inTime.files, written.leftOut, inTime.isLate)
  announceLate(options, late)
  if (late.length > 0 && isNothingNew(tree, base)) throw noTime(options)
  requireSameDirectory(save)
  const before = base.ancestor ?? base.manifest ?? { tree, chunks }
  const { vanished, entries } = countVanished({ tree, chunks }, before)
  const beside = isBeside(save, { vanished, entries })
  const manifest = createManifest(save, {
    tree,
    chunks,
    venvs: settleVenvs(base, venvs, inTime),
    beside,
  })
  await requireUnpruned(options, { manifest, base: baseSnapshot(base), watch: save.watch })
  const attempts: string[] = []
  const committed = await commitSnapshot(options, {
    manifest,
    hashes: written.hashes,
    beside,
    ancestor: base.ancestor,
    apart: base.apart,
    onAttempt: async (merged) => {
      attempts.push(merged.id)
      await keepLocal(place, merged.id, manifest)
      markSave(place, merged.id)
    },
  })
  const additive = base.additive && added > 0
  // What is late must be looked at again, whatever its times say.
  const watermark = late.length > 0 ? base.watermark : save.watermark
  await recordSaved({ ...save, watermark }, { manifest, committed, additive, attempts })
  announce(save, { committed, leftOut: tree.leftOut, vanished, entries })
  // The next save finds the chunks that were sent in vain.
  if (late.length > 0) markSave(place, id)
  return {
    result: late.length > 0 ? 'partial' : 'saved',
    late,
    generation: committed.sibling
      ? manifest.generation
      : (committed.merged?.manifest.generation ?? manifest.generation),
    snapshot: committed.name,
    sibling: committed.sibling,
    ...(committed.merged === undefined ? {} : { conflicts: committed.merged.conflicts.length }),
    additive: base.additive,
    files: tree.files.length,
    changed: written.files.length,
    deleted: vanished,
    uploadedBytes: written.uploadedBytes,
    uploadedChunks: written.uploadedChunks,
    leftOut: tree.leftOut,
  }
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
  cut?.beginContent()
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
  const more = await writeChunks(writer, [renamed.map((file) => ({ file, known: [] }))])
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

/** An interpreter takes its time to start, and a save at shutdown has none: one that was asked before is not asked again. */
async function findFingerprints(save: Save): Promise<Manifest['venvs']> {
  const { base, options, place, scan } = save
  const before = new Map(base.manifest?.venvs.map((venv) => [venv.path, venv]))
  const isUntouched = (path: string): boolean => {
    const config = path === '' ? 'pyvenv.cfg' : `${path}/pyvenv.cfg`
    const old = base.manifest?.tree.files.find((file) => file.path === config)
    return old !== undefined && old.mtime === scan.files.find(({ path }) => path === config)?.mtime
  }
  const venvs = await fingerprintVenvs(
    place.directory,
    (path) => (isUntouched(path) ? before.get(path) : undefined),
    eitherSignal(options.signal, save.cut?.signal),
  )
  const here = { named: resolve(options.directory), real: place.directory }
  return venvs.map((venv) => locateVenv(venv, before.get(venv.path), here))
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

function noTime({ directory, name }: SaveOptions): BerthError {
  return new BerthError(
    'archive/no-time',
    `could not save \`${directory}\` to \`${name}\`: the time was over before any part of it was sent as a whole`,
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
