import type { Manifest } from '../format/manifest.ts'
import { readFileSystemClock } from '../scan/clock.ts'
import { forgetRecord, readIndex, readRecordOf, writeRecord } from './record.ts'
import { scanTree } from '../scan/scan.ts'
import { placeBehind } from './tree-place.ts'

/**
 * Records that `to` is a verified copy of `from`: same generation, with an index for the copy's own times. Without a complete record
 * of `from` nothing is known of `to` either.
 */
export async function copyRecord(from: string, to: string): Promise<void> {
  const source = await placeBehind(from)
  const record = await readRecordOf(source)
  if (record === undefined || !record.complete) return forgetRecord(to)
  const index = await readIndex(source.state, record)
  const { state } = await placeBehind(to)
  const watermark = await readFileSystemClock(state)
  const touched =
    index === undefined ? undefined : await touchedSince(source.directory, record.watermark)
  await writeRecord(
    state,
    { ...record, watermark, writtenAt: new Date().toISOString() },
    index === undefined || touched === undefined ? undefined : markSuspect(index, touched),
  )
}

async function touchedSince(directory: string, watermark: number): Promise<Set<string>> {
  const { tree } = await scanTree(directory)
  return new Set(tree.files.filter((file) => file.ctime >= watermark).map((file) => file.path))
}

/** A copy has new ctimes, so what was touched in the original must be read again whatever its size and mtime say. */
function markSuspect(index: Manifest, touched: Set<string>): Manifest {
  const files = index.tree.files.map((file) =>
    touched.has(file.path) ? { ...file, mtime: NEVER } : file,
  )
  return { ...index, tree: { ...index.tree, files } }
}

const NEVER = -1
