import type { Condemned } from '../prune/condemned.ts'
import { chunkKey } from '../format/format.ts'
import type { CompressionLevel } from '../format/frame-encoder.ts'
import type { ChunkHashes } from './known-content.ts'
import type { Chunk, StoredFile } from '../format/manifest.ts'
import type { ObjectRooms } from './object-rooms.ts'
import type { ArchiveOptions } from '../options.ts'
import type { Pool } from '../workers/pool.ts'
import { type Cut, eitherSignal } from './save-cut.ts'
import { type PacedUpload, waitForPace } from './upload-pace.ts'
import type { MadeChunk, SaveTask, SaveTaskResult } from './save-work.ts'
import type { LeftOut, TreePath } from '../format/tree.ts'

/** What the chunks of one save have in common. */
export interface ChunkWriter {
  options: ArchiveOptions
  root: string
  level: CompressionLevel
  pool: Pool<SaveTask, SaveTaskResult>
  /** Chunks of the parent, then those that this save adds: places name them by their number here. */
  chunks: Chunk[]
  /** An earlier save was cut: what it had uploaded is looked for before it is uploaded again. */
  resumes: boolean
  /** What must not be relied on, although it may be in the store. */
  condemned: Condemned
  /** When no more content may be sent: what was not stored by then is missing. */
  cut: Cut | undefined
}

/** What came of them. */
export interface WrittenContent {
  files: StoredFile[]
  hashes: ChunkHashes[]
  leftOut: LeftOut[]
  uploadedBytes: number
  uploadedChunks: number
}

/** What came of them so far. */
export interface OngoingContent extends WrittenContent {
  /** What is under way, by key. */
  uploads: Map<string, Promise<number>>
  /** For the content that is under way. */
  rooms: ObjectRooms
}

interface ChunkWork<Made, Result> {
  rawBytes: number
  make: (room: SharedArrayBuffer) => Promise<Made>
  use: (made: Made, paced: PacedUpload | undefined) => Promise<Result>
}

/** Makes a chunk in a room of its own, which nobody else gets before it has been sent. */
export async function inRoom<Made, Result>(
  writer: ChunkWriter,
  { rooms }: OngoingContent,
  { rawBytes, make, use }: ChunkWork<Made, Result>,
): Promise<Result> {
  // Before a deadline nothing begins that can't be there in time.
  using paced = await waitForPace(writer.options.store, writer.cut, rawBytes)
  const room = await rooms.take()
  try {
    return await use(await make(room), paced)
  } finally {
    rooms.give(room)
  }
}

interface MadeUpload {
  made: MadeChunk
  kind: Chunk['kind']
  paced: PacedUpload | undefined
}

/** Equal content twice in one save is one chunk, and both wait for it. Answers the chunk's number. */
export async function upload(
  writer: ChunkWriter,
  written: OngoingContent,
  chunk: MadeUpload,
): Promise<number> {
  const key = chunkKey(chunk.made.sha256, chunk.kind)
  const existing = writer.chunks.findIndex(
    ({ sha256, kind }) => sha256 === chunk.made.sha256 && kind === chunk.kind,
  )
  if (existing >= 0) return existing
  const underWay = written.uploads.get(key) ?? put(writer, written, { ...chunk, key })
  written.uploads.set(key, underWay)
  return underWay
}

/** The chunk gets its number when it is in the store. */
async function put(
  writer: ChunkWriter,
  written: OngoingContent,
  { made, kind, paced, key }: MadeUpload & { key: string },
): Promise<number> {
  const { store } = writer.options
  const cut = writer.cut?.signal
  cut?.throwIfAborted()
  const signal = eitherSignal(writer.options.signal, cut)
  const { length } = made.data
  const isThere = writer.resumes && (await store.head(key, { signal }))?.size === length
  if (!isThere) {
    paced?.sends(length)
    await store.put(key, made.data, { signal, ifAbsent: true, sha256: made.sha256 })
    paced?.arrived()
    written.uploadedBytes += length
    written.uploadedChunks++
  }
  cut?.throwIfAborted()
  return writer.chunks.push({ sha256: made.sha256, kind, frames: made.frames, born: '' }) - 1
}

/** What is gone is not missed. */
export function leaveOut(written: WrittenContent, path: TreePath, reason: string): void {
  if (reason !== 'gone') written.leftOut.push({ path, reason, unread: true })
}
