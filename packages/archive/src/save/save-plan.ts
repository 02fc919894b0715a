import { SMALL_FILE_BYTES } from '../format/format.ts'
import type { KnownContent } from './known-content.ts'
import { segmentSizes } from './known-content.ts'
import type { Manifest, Place, StoredFile } from '../format/manifest.ts'
import { type StoredTree, placeKey } from '../merge/merge-state.ts'
import { createLookup } from '../format/path-lookup.ts'
import type { Pool } from '../workers/pool.ts'
import type { HashedFiles, SaveTask, SaveTaskResult } from './save-work.ts'
import type { ScannedFile } from '../scan/scan.ts'
import type { FileEntry } from '../format/tree.ts'

/** A file whose content is not in the archive yet; of a long one some segments may be. */
export interface NewContent {
  file: ScannedFile
  /** Of a long file the chunks of its segments, where they are known. */
  known?: readonly (number | undefined)[]
}

export interface SavePlan {
  /** Files whose content the base holds, with their attributes of now. */
  kept: StoredFile[]
  fresh: NewContent[]
  /** How many files had to be read to know. */
  suspects: number
}

/** Files that the index vouches for, and those that must be read to know. */
export interface Comparison {
  kept: StoredFile[]
  suspects: ScannedFile[]
}

/**
 * Compares size, mtime and ctime with the index. A file is vouched for only when its ctime is older than the moment at which the
 * index was made: ctime can't be set, so an edit that puts the old mtime back is seen too.
 */
export function compareWithIndex(
  files: readonly ScannedFile[],
  index: Manifest | undefined,
  watermark: number,
): Comparison {
  const findIndexed = createLookup(index?.tree.files ?? [])
  const kept: StoredFile[] = []
  const suspects: ScannedFile[] = []
  for (const file of files) {
    const before = findIndexed(file.path)
    const untouched =
      before !== undefined &&
      before.size === file.size &&
      before.mtime === file.mtime &&
      file.ctime < watermark
    if (file.size === 0) kept.push(withPlace(file, { kind: 'empty' }))
    else if (untouched) kept.push(withPlace(file, before.place))
    else suspects.push(file)
  }
  return { kept, suspects }
}

// One message to a worker for this many files: their names are small, and a worker that got them all would leave the others idle.
const FILES_PER_HASH_TASK = 200

/** Finds suspects whose content the base holds. Only files with a size that occurs there are read. */
export async function recognise(
  suspects: readonly ScannedFile[],
  source: {
    root: string
    known: KnownContent
    sizes: ReadonlySet<number>
    hasLong: boolean
    pool: Pool<SaveTask, SaveTaskResult>
  },
): Promise<SavePlan> {
  const plan: SavePlan = { kept: [], fresh: [], suspects: suspects.length }
  const candidates: ScannedFile[] = []
  for (const file of suspects) {
    if (file.size > SMALL_FILE_BYTES ? source.hasLong : source.sizes.has(file.size))
      candidates.push(file)
    else plan.fresh.push({ file })
  }
  const small = candidates.filter((file) => file.size <= SMALL_FILE_BYTES)
  const long = candidates.filter((file) => file.size > SMALL_FILE_BYTES)
  await Promise.all([
    ...batches(small, FILES_PER_HASH_TASK).map(async (batch) => {
      const { hashes } = await hash(source.pool, {
        kind: 'hash-files',
        root: source.root,
        paths: batch.map((file) => file.path),
        bytes: batch.reduce((sum, file) => sum + file.size, 0),
      })
      for (const [index, file] of batch.entries())
        addRecognised(plan, file, findPlace(source.known, file, hashes[index]))
    }),
    ...long.map(async (file) => {
      const { hashes } = await hash(source.pool, {
        kind: 'hash-segments',
        root: source.root,
        path: file.path,
        size: file.size,
      })
      const sizes = segmentSizes(file.size)
      const known = hashes.map((found, index) =>
        found === undefined ? undefined : source.known.findSegment(found, sizes[index] ?? 0),
      )
      if (known.every((chunk) => chunk !== undefined))
        plan.kept.push(withPlace(file, { kind: 'segments', chunks: known }))
      else plan.fresh.push({ file, known })
    }),
  ])
  return plan
}

function addRecognised(plan: SavePlan, file: ScannedFile, place: Place | undefined): void {
  if (place === undefined) plan.fresh.push({ file })
  else plan.kept.push(withPlace(file, place))
}

function findPlace(
  known: KnownContent,
  file: ScannedFile,
  found: string | undefined,
): Place | undefined {
  const place = found === undefined ? undefined : known.findFile(found, file)
  if (place?.kind !== 'group' || place.member !== file.path) return place
  const { member: _member, ...own } = place
  return own
}

async function hash(pool: Pool<SaveTask, SaveTaskResult>, task: SaveTask): Promise<HashedFiles> {
  return (await pool.run(task)) as HashedFiles
}

function batches<Item>(items: readonly Item[], size: number): Item[][] {
  const result: Item[][] = []
  for (let start = 0; start < items.length; start += size)
    result.push(items.slice(start, start + size))
  return result
}

export function withPlace(file: FileEntry, place: Place): StoredFile {
  const { path, mode, uid, gid, mtime, size, sparse } = file
  return { path, mode, uid, gid, mtime, size, sparse, place }
}

/** How many entries of the base the tree no longer has. A file that was moved has not vanished: its content is still there. */
export function countVanished(
  now: StoredTree,
  { tree, chunks }: StoredTree,
): { vanished: number; entries: number } {
  const { files, links, hardLinks } = now.tree
  const find = createLookup(files)
  const others = new Set([...links, ...hardLinks].map(({ path }) => path))
  const entries = [...tree.files, ...tree.links, ...tree.hardLinks]
  const missing = entries.filter(({ path }) => find(path) === undefined && !others.has(path))
  if (missing.length === 0) return { vanished: 0, entries: entries.length }
  const contents = new Set(files.map(({ place }) => placeKey(place, now.chunks)))
  const vanished = missing.filter(
    (entry) => !('place' in entry && entry.size > 0 && contents.has(placeKey(entry.place, chunks))),
  )
  return { vanished: vanished.length, entries: entries.length }
}
