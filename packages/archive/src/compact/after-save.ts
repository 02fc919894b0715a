import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { type TreeRecord, readIndex, readRecordOf, writeRecord } from '../record/record.ts'
import type { TreePlace } from '../record/tree-place.ts'
import { findLatest, readSnapshot } from '../snapshots/snapshots.ts'
import { startStopwatch } from '../workers/stopwatch.ts'
import { measureUse } from './chunk-use.ts'
import { COMPACT_BOUNDS, type CompactBounds, chooseGroups } from './choose-groups.ts'
import type { Compacted } from './compact.ts'

export interface CompactingSave extends ArchiveOptions {
  pod?: string | undefined
  /** Other bounds than the usual. */
  bounds?: Partial<CompactBounds> | undefined
  /** It has put a snapshot: what an unchanged directory lacks of the history is not read for this alone. */
  hasSaved: boolean
}

/**
 * Compacts the history's newest snapshot when that is worth it, for a directory that was just saved to it and whose lock is held. Never
 * fails: what was saved is saved, and the next save tries again.
 */
export async function compactAfterSave(
  options: CompactingSave,
  place: TreePlace,
): Promise<Compacted | undefined> {
  try {
    return await compactFor(options, place)
  } catch (error) {
    if (options.signal?.aborted !== true)
      options.onNote?.('warn', `\`${options.name}\` was not compacted: ${(error as Error).message}`)
    return undefined
  }
}

async function compactFor(
  options: CompactingSave,
  place: TreePlace,
): Promise<Compacted | undefined> {
  const { store, signal, name } = options
  const bounds = { ...COMPACT_BOUNDS, ...options.bounds }
  const record = await readRecordOf(place)
  if (record?.archive !== name || record.store !== store.url) return undefined
  if (!record.complete || record.sibling !== '') return undefined
  const isApart = record.merged !== undefined
  if (isApart ? !options.hasSaved : !(await isWorthIt(place, record, bounds))) return undefined
  const watch = startStopwatch(options.now)
  const latest = await findLatest(store, name, { signal })
  if (latest?.name !== record.snapshot) return undefined
  const manifest = await readSnapshot(store, name, latest.name, { signal })
  if (manifest.id !== (record.merged ?? record.id)) return undefined
  const { compactNewest } = await import('./compact.ts')
  const done = await compactNewest(options, { name: latest.name, manifest, watch }, bounds)
  if (done === undefined) return undefined
  if (!isApart) await followRecord(options, place, { record, done })
  announce(options, done.compacted)
  return done.compacted
}

/** By the index of the directory, for the price of reading it. */
async function isWorthIt(
  { state }: TreePlace,
  record: TreeRecord,
  bounds: CompactBounds,
): Promise<boolean> {
  const index = await readIndex(state, record)
  return index !== undefined && chooseGroups(measureUse(index), bounds).length > 0
}

/** The directory is what it was; its next save compares it with the snapshot that now is the newest, and finds nothing. */
async function followRecord(
  { onNote }: ArchiveOptions,
  { state }: TreePlace,
  {
    record,
    done: { compacted, manifest },
  }: { record: TreeRecord; done: { compacted: Compacted; manifest: Manifest } },
): Promise<void> {
  const { snapshot, generation } = compacted
  const writtenAt = new Date().toISOString()
  const next = { ...record, snapshot, generation, id: manifest.id, writtenAt }
  try {
    await writeRecord(state, next, manifest)
  } catch (error) {
    // The old record holds as well: the next save merges, and finds that both have the same content.
    onNote?.('warn', `could not record the compaction: ${(error as Error).message}`)
  }
}

function announce({ onNote, name }: ArchiveOptions, compacted: Compacted): void {
  const { snapshot, deadBytes, rewrittenBytes, chunksBefore, chunksAfter } = compacted
  onNote?.(
    'info',
    `compacted \`${name}\` as ${snapshot}: of its chunks ${deadBytes} bytes were of no use; put ${rewrittenBytes} bytes anew, so that ${chunksAfter} chunks hold what ${chunksBefore} did`,
  )
}
