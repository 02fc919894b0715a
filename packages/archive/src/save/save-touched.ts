import { identityOf } from '../record/record.ts'
import { compactColumns, replaceFiles } from '../format/column-replace.ts'
import type { TreeColumns } from '../format/manifest-columns.ts'
import { GROUP_MAX_BYTES, SMALL_FILE_BYTES } from '../format/format.ts'
import { type Chunk, type StoredFile, manifestOfColumns } from '../format/manifest.ts'
import type { Pool } from '../workers/pool.ts'
import { readCondemned } from '../prune/condemned.ts'
import type { ScanColumns } from '../scan/scan-columns.ts'
import type { Stopwatch } from '../workers/stopwatch.ts'
import { readKnownContent } from './known-content.ts'
import { isSameFile } from './same-tree.ts'
import { heldGeneration } from './save-base.ts'
import { markSave } from './save-marks.ts'
import type { WrittenContent } from './chunk-writer.ts'
import { writeChunks } from './save-chunks.ts'
import { commitSave } from './save-commit.ts'
import type { Cut } from './save-cut.ts'
import { FIRST_LANE_BYTES } from './save-late.ts'
import { createHead, nameBorn } from './save-manifest.ts'
import { type NewContent, recognise, withPlace } from './save-plan.ts'
import { type SaveFrame, recordUnchanged } from './save-record.ts'
import { findFingerprints } from './save-venvs.ts'
import type { SaveTask, SaveTaskResult } from './save-work.ts'
import type { SaveResult } from './save.ts'
import type { Touched, TouchedFile } from './touched.ts'

interface TouchedSave extends SaveFrame {
  /** The tree as it is now. */
  columns: ScanColumns
  pool: Pool<SaveTask, SaveTaskResult>
  watch: Stopwatch
  cut: Cut | undefined
}

/**
 * Saves a tree in which nothing came or went and a few files have changed, without an object for each entry: most of what such a save
 * would take. `undefined` where all must be looked at after all; what was sent by then is in the store, and is used.
 */
export async function saveTouched(
  save: TouchedSave,
  touched: Touched,
): Promise<SaveResult | undefined> {
  const { place, columns, id } = save
  if (touched.files.length === 0)
    return {
      result: 'unchanged',
      generation: heldGeneration(save.base, touched.base),
      files: columns.files.size.length,
    }
  if (!isPlain(save, touched)) return undefined
  const plan = await planTouched(save, touched)
  const unsent = plan.fresh.length === 0
  if (unsent && touched.files.every((file) => isKept(plan.kept, file))) {
    await recordUnchanged(save, false)
    const generation = heldGeneration(save.base, touched.base)
    return { result: 'unchanged', generation, files: columns.files.size.length }
  }
  const chunks: Chunk[] = [...touched.base.chunks]
  markSave(place, id)
  const changed = new Set(touched.files.map(({ now }) => now.path))
  const [written, venvs] = await Promise.all([
    sendFresh(save, plan.fresh, chunks),
    findFingerprints(save, (config) => !changed.has(config)),
  ])
  if (written.files.length < plan.fresh.length) return undefined
  if (identityOf(place.directory) !== save.identity) return undefined
  const numbers = new Map(touched.files.map(({ now, number }) => [now.path, number]))
  const stored = new Map(plan.kept)
  for (const file of written.files) stored.set(numbers.get(file.path) as number, file)
  const head = createHead(save, { venvs, beside: false })
  const replaced = compactColumns(replaceFiles(touched.columns, stored), nameBorn(chunks, head))
  const manifest = manifestOfColumns(
    { ...head, chunks: replaced.chunks },
    withTimes(replaced.columns, columns),
  )
  return commitSave(save, {
    manifest,
    written,
    beside: false,
    late: [],
    added: 0,
    vanished: 0,
    entries: 0,
    files: columns.files.size.length,
    leftOut: columns.leftOut,
  })
}

/** Whether nothing is asked for that only a look at the whole tree can give. */
function isPlain({ base, columns, cut }: TouchedSave, { files }: Touched): boolean {
  // What its ancestor has and the tree has not would have to be counted.
  if (base.ancestor !== base.manifest || columns.leftOut.some(({ unread }) => unread)) return false
  if (process.getuid?.() !== 0 && !files.every(hasSameOwner)) return false
  const bytes = files.reduce((sum, { now }) => sum + now.size, 0)
  // Before a deadline what does not go out as one is sent part by part, the smallest first.
  const mostBytes = cut === undefined ? GROUP_MAX_BYTES : FIRST_LANE_BYTES
  return bytes <= mostBytes && files.every(({ now }) => now.size <= SMALL_FILE_BYTES)
}

function hasSameOwner({ now, before }: TouchedFile): boolean {
  return now.uid === before.uid && now.gid === before.gid
}

interface TouchedPlan {
  /** Files whose content the base holds, by number. */
  kept: Map<number, StoredFile>
  fresh: NewContent[]
}

// To send so much takes less than to ask for what the base holds: the content of another file at the most, since its own had another
// size.
const FEW_BYTES = 64 * 1024

async function planTouched(
  { options: { store, signal }, place, pool }: TouchedSave,
  { base, files }: Touched,
): Promise<TouchedPlan> {
  const kept = new Map<number, StoredFile>()
  const isFew = files.reduce((sum, { now }) => sum + now.size, 0) <= FEW_BYTES
  const fresh: NewContent[] = []
  const suspects: TouchedFile[] = []
  for (const file of files) {
    const { now, before, number } = file
    if (now.size === 0) kept.set(number, withPlace(now, { kind: 'empty' }))
    else if (isFew && now.size !== before.size) fresh.push({ file: now })
    else suspects.push(file)
  }
  if (suspects.length === 0) return { kept, fresh }
  const sizes = new Set(suspects.map(({ now }) => now.size))
  const own = { files: files.map(({ before }) => before) }
  const source = { store, manifest: { ...headOf(base), tree: own }, sizes }
  const known = await readKnownContent(source, { signal })
  const found = await recognise(
    suspects.map(({ now }) => now),
    { root: place.directory, known, sizes, hasLong: false, pool },
  )
  const numbers = new Map(suspects.map(({ now, number }) => [now.path, number]))
  for (const file of found.kept) kept.set(numbers.get(file.path) as number, file)
  return { kept, fresh: [...fresh, ...found.fresh] }
}

function headOf({ archive, chunks }: Touched['base']): Pick<Touched['base'], 'archive' | 'chunks'> {
  return { archive, chunks }
}

function isKept(kept: TouchedPlan['kept'], { number, before }: TouchedFile): boolean {
  const file = kept.get(number)
  return file !== undefined && isSameFile(file, before)
}

async function sendFresh(
  { options, base, place, pool, cut }: TouchedSave,
  fresh: readonly NewContent[],
  chunks: Chunk[],
): Promise<Pick<WrittenContent, 'files' | 'hashes' | 'uploadedBytes' | 'uploadedChunks'>> {
  const { store, signal, level = 'normal' } = options
  // Asked before the commit anyway.
  store.supportsConditionalWrites({ signal }).catch(() => {})
  if (fresh.length === 0) return { files: [], hashes: [], uploadedBytes: 0, uploadedChunks: 0 }
  const condemned = await readCondemned(store, { signal })
  const resumes = base.marks.length > 0
  const root = place.directory
  return writeChunks({ options, root, level, pool, chunks, resumes, condemned, cut }, [fresh])
}

/** Times of directories and links change without a change that would be worth a snapshot. */
function withTimes(
  columns: TreeColumns,
  { directories, links, leftOut }: ScanColumns,
): TreeColumns {
  return {
    ...columns,
    directories: { ...columns.directories, mtime: directories.mtime },
    links: { ...columns.links, mtime: links.mtime },
    leftOut,
  }
}
