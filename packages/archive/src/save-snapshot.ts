import { resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { commitSnapshot } from './commit.ts'
import { readCondemned } from './condemned.ts'
import type { Chunk, Manifest, StoredFile } from './manifest.ts'
import { addMissing, unreadPaths } from './missing.ts'
import { identityOf } from './record.ts'
import { baseSnapshot, markSave } from './save-base.ts'
import { type ChunkWriter, type WrittenContent, writeChunks } from './save-chunks.ts'
import { requireUnpruned } from './save-guard.ts'
import { renameLostFiles } from './save-links.ts'
import { createManifest } from './save-manifest.ts'
import { type SavePlan, countVanished } from './save-plan.ts'
import { announce, recordSaved } from './save-record.ts'
import type { Save, SaveResult } from './save.ts'
import { sortTree } from './sort-tree.ts'
import { createStoreFiles } from './store-files.ts'
import type { LeftOut, Tree } from './tree.ts'
import { locateVenv } from './venv-moves.ts'
import { fingerprintVenvs } from './venv.ts'

/** Stores what is new and commits the snapshot. */
export async function storeSnapshot(save: Save, plan: SavePlan): Promise<SaveResult> {
  const { options, base, place, pool, id } = save
  const chunks: Chunk[] = [...(base.manifest?.chunks ?? [])]
  markSave(place, id)
  if (base.latest === undefined) await createStoreFiles(options.store, { signal: options.signal })
  const condemned = await readCondemned(options.store, { signal: options.signal })
  const writer: ChunkWriter = {
    options,
    condemned,
    root: place.directory,
    level: options.level ?? 'normal',
    pool,
    chunks,
    resumes: base.marks.length > 0,
  }
  const [written, venvs] = await Promise.all([
    writeContent(writer, save, plan),
    findFingerprints(save),
  ])
  const { tree, added } = assembleTree(save, [...plan.kept, ...written.files], written.leftOut)
  requireSameDirectory(save)
  const { vanished, entries } = countVanished(tree, base.manifest?.tree ?? tree)
  const beside = isBeside(save, { vanished, entries })
  const manifest = createManifest(save, { tree, chunks, venvs, beside })
  await requireUnpruned(options, { manifest, base: baseSnapshot(base), watch: save.watch })
  const committed = await commitSnapshot(options, { manifest, hashes: written.hashes, beside })
  await recordSaved(save, { manifest, committed, additive: base.additive && added > 0 })
  announce(save, { committed, leftOut: tree.leftOut, vanished, entries })
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

/** A file that lost its first name meanwhile is stored under the next. */
async function writeContent(
  writer: ChunkWriter,
  { scan }: Save,
  plan: SavePlan,
): Promise<WrittenContent> {
  const written = await writeChunks(writer, plan.fresh)
  if (scan.hardLinks.length === 0) return written
  const stored = new Set([...plan.kept, ...written.files].map((file) => file.path))
  const renamed = renameLostFiles(writer.root, scan, stored)
  if (renamed.length === 0) return written
  const more = await writeChunks(
    writer,
    renamed.map((file) => ({ file, known: [] })),
  )
  return {
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
): { tree: Tree<StoredFile>; added: number } {
  const own = { ...scan, files: [...files], leftOut: [...scan.leftOut, ...leftOut] }
  const isWanted = base.additive ? () => true : unreadPaths(own.leftOut)
  const isWhole = !base.additive && !own.leftOut.some(({ unread }) => unread)
  const { tree, added } =
    base.manifest === undefined || isWhole
      ? { tree: sortTree(own), added: 0 }
      : addMissing(own, base.manifest.tree, isWanted)
  if (tree.hardLinks.length === 0) return { tree, added }
  const names = new Set(tree.files.map((file) => file.path))
  return { tree: { ...tree, hardLinks: tree.hardLinks.filter(({ to }) => names.has(to)) }, added }
}

/** An interpreter takes its time to start, and a save at shutdown has none: one that was asked before is not asked again. */
async function findFingerprints({ base, options, place, scan }: Save): Promise<Manifest['venvs']> {
  const before = new Map(base.manifest?.venvs.map((venv) => [venv.path, venv]))
  const isUntouched = (path: string): boolean => {
    const config = path === '' ? 'pyvenv.cfg' : `${path}/pyvenv.cfg`
    const old = base.manifest?.tree.files.find((file) => file.path === config)
    return old !== undefined && old.mtime === scan.files.find(({ path }) => path === config)?.mtime
  }
  const venvs = await fingerprintVenvs(
    place.directory,
    (path) => (isUntouched(path) ? before.get(path) : undefined),
    options.signal,
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

function isBeside({ base, options }: Save, count: { vanished: number; entries: number }): boolean {
  if (base.diverged) return true
  if (options.acceptVanished === true) return false
  return base.record?.sibling ? true : count.vanished * 2 > count.entries
}
