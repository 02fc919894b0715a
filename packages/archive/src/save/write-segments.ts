import { renameCondemned } from '../prune/condemned.ts'
import { type ChunkWriter, type OngoingContent, inRoom, leaveOut, upload } from './chunk-writer.ts'
import { SEGMENT_BYTES } from '../format/format.ts'
import type { Limit } from '../workers/limit.ts'
import { type NewContent, withPlace } from './save-plan.ts'
import type { MadeSegment } from './save-work.ts'
import type { ScannedFile } from '../scan/scan.ts'
import { whyUnread } from '../scan/unread.ts'

interface LongJob {
  content: NewContent
  run: Limit
  advance: (bytes: number) => void
}

/** Stores a long file as segments, of which some may be known. */
export async function writeLong(
  writer: ChunkWriter,
  written: OngoingContent,
  job: LongJob,
): Promise<void> {
  const { file, known } = job.content
  let reason: string | undefined
  const chunks = await Promise.all(
    Array.from({ length: Math.ceil(file.size / SEGMENT_BYTES) }, async (_, index) => {
      const start = index * SEGMENT_BYTES
      const chunk =
        known?.[index] ?? (await job.run(() => writeSegment(writer, written, { file, start })))
      job.advance(Math.min(SEGMENT_BYTES, file.size - start))
      if (typeof chunk === 'number') return chunk
      reason = chunk
      return -1
    }),
  )
  if (reason === undefined) written.files.push(withPlace(file, { kind: 'segments', chunks }))
  else leaveOut(written, file.path, reason)
}

/** The chunk's number, or why there is none. */
async function writeSegment(
  writer: ChunkWriter,
  written: OngoingContent,
  part: { file: ScannedFile; start: number },
): Promise<number | string> {
  writer.options.signal?.throwIfAborted()
  const { file, start } = part
  const { path, mode, uid, gid, mtime, size, sparse } = file
  const make = async (room: SharedArrayBuffer): Promise<MadeSegment | string> => {
    writer.cut?.signal.throwIfAborted()
    const made = await writer.pool
      .run({
        kind: 'make-segment',
        root: writer.root,
        file: { path, mode, uid, gid, mtime, size, sparse },
        start,
        level: writer.level,
        room,
      })
      .then((result) => result as MadeSegment, whyUnread)
    if (typeof made === 'string') return made
    return made.changed
      ? 'changed while it was read'
      : renameCondemned(made, 'segment', writer.condemned)
  }
  return inRoom(writer, written, {
    rawBytes: Math.min(SEGMENT_BYTES, file.size - start),
    make,
    use: async (made, paced) => {
      if (typeof made === 'string') return made
      const chunk = await upload(writer, written, { made, kind: 'segment', paced })
      written.hashes.push({ sha256: made.sha256, at: [], hashes: made.hash })
      return chunk
    },
  })
}
