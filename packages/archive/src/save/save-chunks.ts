import { type Condemned, renameCondemned } from '../prune/condemned.ts'
import { SEGMENT_BYTES, SMALL_FILE_BYTES, chunkKey } from '../format/format.ts'
import type { CompressionLevel } from '../format/frame-encoder.ts'
import { groupFiles } from '../format/group.ts'
import { type Limit, createLimit } from '../workers/limit.ts'
import type { ChunkHashes } from './known-content.ts'
import type { Chunk, StoredFile } from '../format/manifest.ts'
import { type ObjectRooms, createObjectRooms } from './object-rooms.ts'
import type { ArchiveOptions } from '../options.ts'
import type { Pool } from '../workers/pool.ts'
import { type Cut, eitherSignal, untilCut } from './save-cut.ts'
import { type NewContent, withPlace } from './save-plan.ts'
import { type PacedUpload, waitForPace } from './upload-pace.ts'
import type { MadeChunk, MadeGroup, MadeSegment, SaveTask, SaveTaskResult } from './save-work.ts'
import type { ScannedFile } from '../scan/scan.ts'
import type { LeftOut, TreePath } from '../format/tree.ts'
import { whyUnread } from '../scan/unread.ts'

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

export interface WrittenContent {
  files: StoredFile[]
  hashes: ChunkHashes[]
  leftOut: LeftOut[]
  uploadedBytes: number
  uploadedChunks: number
  /** What is under way, by key. */
  uploads: Map<string, Promise<number>>
  /** For the content that is under way. */
  rooms: ObjectRooms
}

/**
 * Compresses new content into chunks and uploads them, list by list, each in groups of its own; resolves when all of them are in the
 * store, or the cut has come.
 */
export async function writeChunks(
  writer: ChunkWriter,
  lanes: readonly (readonly NewContent[])[],
): Promise<WrittenContent> {
  const written: WrittenContent = {
    files: [],
    hashes: [],
    leftOut: [],
    uploadedBytes: 0,
    uploadedChunks: 0,
    uploads: new Map(),
    rooms: createObjectRooms(writer.pool.size + UPLOADS_BESIDE),
  }
  const total = lanes.flat().reduce((sum, { file }) => sum + file.size, 0)
  let done = 0
  const advance = (bytes: number): void => {
    done += bytes
    writer.options.onProgress?.({ done, total })
  }
  const run = createLimit(writer.pool.size + UPLOADS_BESIDE)
  const jobs = lanes.flatMap((lane) => {
    const long = lane.filter(({ file }) => file.size > SMALL_FILE_BYTES)
    const small = lane.flatMap(({ file }) => (file.size <= SMALL_FILE_BYTES ? [file] : []))
    return [
      ...long.map((content) => writeLong(writer, written, { content, run, advance })),
      ...groupFiles(small).map((files) =>
        run(() => writeGroup(writer, written, files)).then(() =>
          advance(files.reduce((sum, file) => sum + file.size, 0)),
        ),
      ),
    ]
  })
  try {
    await untilCut(writer.cut?.signal, Promise.all(jobs))
  } catch (error) {
    run.stop(error)
    written.rooms.stop(error)
    await Promise.allSettled(jobs)
    throw error
  }
  const cut = writer.cut?.signal
  if (cut?.aborted !== true) return written
  run.stop(cut.reason)
  written.rooms.stop(cut.reason)
  // What ends after the cut is not in the snapshot.
  return { ...written, files: [...written.files], hashes: [...written.hashes] }
}

// Uploads that go on while the workers compress. More take more of the 256 MiB that a save may have.
const UPLOADS_BESIDE = 1

interface ChunkWork<Made, Result> {
  rawBytes: number
  make: (room: SharedArrayBuffer) => Promise<Made>
  use: (made: Made, paced: PacedUpload | undefined) => Promise<Result>
}

/** Makes a chunk in a room of its own, which nobody else gets before it has been sent. */
async function inRoom<Made, Result>(
  writer: ChunkWriter,
  { rooms }: WrittenContent,
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

async function writeGroup(
  writer: ChunkWriter,
  written: WrittenContent,
  files: readonly ScannedFile[],
): Promise<void> {
  writer.options.signal?.throwIfAborted()
  const make = async (room: SharedArrayBuffer): Promise<MadeGroup> => {
    writer.cut?.signal.throwIfAborted()
    const made = (await writer.pool.run({
      kind: 'make-group',
      root: writer.root,
      files: files.map(plain),
      level: writer.level,
      room,
    })) as MadeGroup
    return renameCondemned(made, 'group', writer.condemned)
  }
  await inRoom(writer, written, {
    rawBytes: files.reduce((sum, { size }) => sum + size, 0),
    make,
    use: (group, paced) => keepGroup(writer, written, { group, paced }),
  })
}

async function keepGroup(
  writer: ChunkWriter,
  written: WrittenContent,
  { group, paced }: { group: MadeGroup; paced: PacedUpload | undefined },
): Promise<void> {
  const read = group.files.filter((file) => file.read)
  for (const file of group.files) {
    if (!file.read) leaveOut(written, file.path, file.reason)
  }
  if (read.length === 0) return
  const chunk = await upload(writer, written, { made: group, kind: 'group', paced })
  written.hashes.push({
    sha256: group.sha256,
    at: read.flatMap((file) => [file.frame, file.offset]),
    hashes: read.map((file) => file.hash),
  })
  for (const { file, frame, offset } of read) {
    written.files.push(
      withPlace(
        file,
        file.size === 0 ? { kind: 'empty' } : { kind: 'group', chunk, frame, offset },
      ),
    )
  }
}

/** What is gone is not missed. */
function leaveOut(written: WrittenContent, path: TreePath, reason: string): void {
  if (reason !== 'gone') written.leftOut.push({ path, reason, unread: true })
}

interface LongJob {
  content: NewContent
  run: Limit
  advance: (bytes: number) => void
}

async function writeLong(
  writer: ChunkWriter,
  written: WrittenContent,
  job: LongJob,
): Promise<void> {
  const { file, known } = job.content
  let reason: string | undefined
  const chunks = await Promise.all(
    Array.from({ length: Math.ceil(file.size / SEGMENT_BYTES) }, async (_, index) => {
      const start = index * SEGMENT_BYTES
      const chunk =
        known[index] ?? (await job.run(() => writeSegment(writer, written, { file, start })))
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
  written: WrittenContent,
  part: { file: ScannedFile; start: number },
): Promise<number | string> {
  writer.options.signal?.throwIfAborted()
  const { file, start } = part
  const make = async (room: SharedArrayBuffer): Promise<MadeSegment | string> => {
    writer.cut?.signal.throwIfAborted()
    const made = await writer.pool
      .run({
        kind: 'make-segment',
        root: writer.root,
        file: plain(file),
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
      written.hashes.push({ sha256: made.sha256, at: [], hashes: [made.hash] })
      return chunk
    },
  })
}

interface MadeUpload {
  made: MadeChunk
  kind: Chunk['kind']
  paced: PacedUpload | undefined
}

/** Equal content twice in one save is one chunk, and both wait for it. Answers the chunk's number. */
async function upload(
  writer: ChunkWriter,
  written: WrittenContent,
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
  written: WrittenContent,
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

function plain(file: ScannedFile) {
  const { path, mode, uid, gid, mtime, size, sparse } = file
  return { path, mode, uid, gid, mtime, size, sparse }
}
