import { commitSnapshot } from '../merge/commit.ts'
import { keepLocal } from '../merge/merge-base.ts'
import type { Manifest } from '../format/manifest.ts'
import type { Stopwatch } from '../workers/stopwatch.ts'
import { baseSnapshot } from './save-base.ts'
import { markSave } from './save-marks.ts'
import type { WrittenContent } from './chunk-writer.ts'
import { requireUnpruned } from './save-guard.ts'
import type { LateUnit } from './save-late.ts'
import { type SaveFrame, announce, recordSaved } from './save-record.ts'
import type { SaveResult } from './save.ts'
import type { LeftOut } from '../format/tree.ts'

/** A snapshot that is ready: its content is in the store. */
export interface Prepared {
  manifest: Manifest
  written: Pick<WrittenContent, 'hashes' | 'files' | 'uploadedBytes' | 'uploadedChunks'>
  beside: boolean
  late: LateUnit[]
  /** Entries of the base that the directory lacks, and that the snapshot has all the same. */
  added: number
  vanished: number
  entries: number
  /** In the snapshot. */
  files: number
  leftOut: LeftOut[]
}

/** Commits the snapshot and records what the directory is now. */
export async function commitSave(
  save: SaveFrame & { watch: Stopwatch },
  prepared: Prepared,
): Promise<SaveResult> {
  const { options, base, place, id } = save
  const { manifest, written, beside, late, vanished, entries, leftOut } = prepared
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
  const additive = base.additive && prepared.added > 0
  // What is late must be looked at again, whatever its times say.
  const watermark = late.length > 0 ? base.watermark : save.watermark
  await recordSaved({ ...save, watermark }, { manifest, committed, additive, attempts })
  announce(save, { committed, leftOut, vanished, entries })
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
    files: prepared.files,
    // An empty file has no content to be sent, and is as new as the others all the same.
    changed: base.manifest === undefined ? prepared.files : written.files.length,
    deleted: vanished,
    uploadedBytes: written.uploadedBytes,
    uploadedChunks: written.uploadedChunks,
    leftOut,
  }
}
