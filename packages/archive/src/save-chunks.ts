import { type Condemned, renameCondemned } from './condemned.ts'
import { SEGMENT_BYTES, SMALL_FILE_BYTES, chunkKey } from './format.ts'
import type { CompressionLevel } from './frame.ts'
import { groupFiles } from './group.ts'
import { type Limit, createLimit } from './limit.ts'
import type { ChunkHashes } from './known-content.ts'
import type { Chunk, StoredFile } from './manifest.ts'
import type { ArchiveOptions } from './options.ts'
import type { Pool } from './pool.ts'
import { type NewContent, withPlace } from './save-plan.ts'
import type { MadeChunk, MadeGroup, MadeSegment, SaveTask, SaveTaskResult } from './save-work.ts'
import type { ScannedFile } from './scan.ts'
import type { LeftOut, TreePath } from './tree.ts'
import { whyUnread } from './unread.ts'

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
}

export interface WrittenContent {
  files: StoredFile[]
  hashes: ChunkHashes[]
  leftOut: LeftOut[]
  uploadedBytes: number
  uploadedChunks: number
}

/** Compresses new content into chunks and uploads them; resolves when all of them are in the store. */
export async function writeChunks(
  writer: ChunkWriter,
  fresh: readonly NewContent[],
): Promise<WrittenContent> {
  const written: WrittenContent = {
    files: [],
    hashes: [],
    leftOut: [],
    uploadedBytes: 0,
    uploadedChunks: 0,
  }
  const groups = groupFiles(
    fresh.flatMap(({ file }) => (file.size <= SMALL_FILE_BYTES ? [file] : [])),
  )
  const long = fresh.filter(({ file }) => file.size > SMALL_FILE_BYTES)
  const total = fresh.reduce((sum, { file }) => sum + file.size, 0)
  let done = 0
  const advance = (bytes: number): void => {
    done += bytes
    writer.options.onProgress?.({ done, total })
  }
  const run = createLimit(writer.pool.size + UPLOADS_BESIDE)
  const jobs = [
    ...long.map((content) => writeLong(writer, written, { content, run, advance })),
    ...groups.map((files) =>
      run(() => writeGroup(writer, written, files)).then(() =>
        advance(files.reduce((sum, file) => sum + file.size, 0)),
      ),
    ),
  ]
  try {
    await Promise.all(jobs)
  } catch (error) {
    run.stop(error)
    await Promise.allSettled(jobs)
    throw error
  }
  return written
}

// Uploads that go on while the workers compress; each holds one chunk of some megabytes.
const UPLOADS_BESIDE = 6

async function writeGroup(
  writer: ChunkWriter,
  written: WrittenContent,
  files: readonly ScannedFile[],
): Promise<void> {
  writer.options.signal?.throwIfAborted()
  const made = (await writer.pool.run({
    kind: 'make-group',
    root: writer.root,
    files: files.map(plain),
    level: writer.level,
  })) as MadeGroup
  const group = renameCondemned(made, 'group', writer.condemned)
  const read = group.files.filter((file) => file.read)
  for (const file of group.files) {
    if (!file.read) leaveOut(written, file.path, file.reason)
  }
  if (read.length === 0) return
  const chunk = await upload(writer, written, { made: group, kind: 'group' })
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
  const answer = await writer.pool
    .run({
      kind: 'make-segment',
      root: writer.root,
      file: plain(part.file),
      start: part.start,
      level: writer.level,
    })
    .then((result) => result as MadeSegment, whyUnread)
  if (typeof answer === 'string') return answer
  if (answer.changed) return 'changed while it was read'
  const made = renameCondemned(answer, 'segment', writer.condemned)
  const chunk = await upload(writer, written, { made, kind: 'segment' })
  written.hashes.push({ sha256: made.sha256, at: [], hashes: [made.hash] })
  return chunk
}

/** Equal content twice in one save is one chunk. Answers the chunk's number. */
async function upload(
  writer: ChunkWriter,
  written: WrittenContent,
  chunk: { made: MadeChunk; kind: Chunk['kind'] },
): Promise<number> {
  const { made, kind } = chunk
  const existing = writer.chunks.findIndex(
    (other) => other.sha256 === made.sha256 && other.kind === kind,
  )
  if (existing >= 0) return existing
  const { store, signal } = writer.options
  const key = chunkKey(made.sha256, kind)
  const number =
    writer.chunks.push({ sha256: made.sha256, kind, frames: made.frames, born: '' }) - 1
  const isThere = writer.resumes && (await store.head(key, { signal }))?.size === made.data.length
  if (!isThere) {
    await store.put(key, made.data, { signal, ifAbsent: true })
    written.uploadedBytes += made.data.length
    written.uploadedChunks++
  }
  return number
}

function plain(file: ScannedFile) {
  const { path, mode, uid, gid, mtime, size, sparse } = file
  return { path, mode, uid, gid, mtime, size, sparse }
}
