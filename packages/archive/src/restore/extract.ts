import { existsSync, readdirSync } from 'node:fs'
import { mkdir, rename, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { removeTree, requireRoom, temporaryName } from '@berth/filesystem'
import { asDiskError } from './disk-error.ts'
import { announceLosses } from '../snapshots/announce-losses.ts'
import { findSnapshot } from '../snapshots/find-snapshot.ts'
import { type Manifest, totalBytes } from '../format/manifest.ts'
import { checkArchiveName } from '../format/name.ts'
import type { ArchiveOptions } from '../options.ts'
import { fillStaging } from './restore-tree.ts'
import { selectPaths } from './select-paths.ts'
import { type SnapshotReference, readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { checkStoreFormat } from '../snapshots/store-files.ts'

export interface ExtractOptions extends ArchiveOptions {
  /** Absolute. Made; what it may be already is an empty directory. */
  directory: string
  /** Files, links and directories of the snapshot, relative to its tree. */
  paths: readonly string[]
  /** A snapshot by generation or name, instead of the newest. */
  at?: string | undefined
}

export type ExtractResult =
  | { result: 'extracted'; snapshot: string; generation: number; files: number; bytes: number }
  /** The store has no such archive. */
  | { result: 'absent' }

/**
 * Puts some paths of a snapshot into a new directory, under the names that they have in the tree; nothing else is fetched than the
 * chunks that hold them. The directory appears whole or not at all, and no restore or save takes it for its own.
 *
 * Throws `archive/existing` where something is in the way, `archive/no-such-path`, and what a restore throws.
 */
export async function extractPaths(options: ExtractOptions): Promise<ExtractResult> {
  const { store, name, signal, directory } = options
  checkArchiveName(name)
  requireNew(directory)
  await checkStoreFormat(store, { signal })
  const list = await readSnapshotList(store, name, { signal })
  const reference =
    options.at === undefined
      ? list.history[0]
      : list.history.length + list.siblings.length === 0
        ? undefined
        : findSnapshot(list, options.at, { archive: name, store: store.url })
  if (reference === undefined) return { result: 'absent' }
  const whole = await readSnapshot(store, name, reference.name, { signal })
  announceLosses(options, reference.name, whole)
  const tree = selectPaths(whole.tree, options.paths, { archive: name, snapshot: reference.name })
  try {
    return await fill(options, reference, { ...pick(whole), tree })
  } catch (error) {
    throw asDiskError(error, `restore into \`${directory}\``)
  }
}

/** Without the columns, which speak of the whole tree, and word for word: files of a venv are not fitted to another place. */
function pick(manifest: Manifest): Omit<Manifest, 'tree'> {
  const { id, archive, generation, parent, created, pod, additive, chunks } = manifest
  return { id, archive, generation, parent, created, pod, additive, venvs: [], chunks }
}

function requireNew(directory: string): void {
  if (!existsSync(directory)) return
  const isEmpty = isDirectoryEmpty(directory)
  if (isEmpty) return
  throw new BerthError(
    'archive/existing',
    `could not restore into \`${directory}\`: something is there already`,
    { hint: 'name a new directory: single paths are never put over what is there' },
  )
}

function isDirectoryEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0
  } catch {
    return false
  }
}

async function fill(
  options: ExtractOptions,
  reference: SnapshotReference,
  manifest: Manifest,
): Promise<ExtractResult> {
  const { directory } = options
  const files = manifest.tree.files.length
  const bytes = totalBytes(manifest.tree)
  await mkdir(dirname(directory), { recursive: true })
  await requireRoom(dirname(directory), { bytes, files }, `restore into \`${directory}\``)
  const staged = temporaryName(directory, 'staging')
  try {
    await mkdir(staged, { mode: 0o700 })
    await fillStaging({
      options,
      destination: { named: directory, real: directory },
      manifest,
      staging: {
        directory: staged,
        tree: join(staged, 'tree'),
        continued: false,
        finished: new Set(),
        finish: () => {},
        [Symbol.dispose]: () => {},
      },
    })
    if (existsSync(directory)) await rmdir(directory)
    await rename(join(staged, 'tree'), directory)
  } finally {
    await removeTree(staged)
  }
  const { name, generation } = reference
  return { result: 'extracted', snapshot: name, generation, files, bytes }
}
