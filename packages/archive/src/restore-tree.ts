import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { BerthError, isBerthError } from '@berth/core/error'
import { type ChunkKind, SEGMENT_BYTES, chunkKey } from './format.ts'
import { type Chunk, type Manifest, storedBytes, totalBytes } from './manifest.ts'
import { workerCount } from './machine.ts'
import type { ArchiveOptions } from './options.ts'
import { type Pool, createPool } from './pool.ts'
import { createLimit } from './limit.ts'
import type {
  ChunkToCheck,
  FileInFrame,
  RestoreTask,
  RestoreTaskResult,
  Restorer,
} from './restore-work.ts'
import {
  createDirectories,
  createEmptyFiles,
  createHardLinks,
  createLinks,
  createLongFiles,
  finishDirectories,
  finishLongFiles,
} from './restore-entries.ts'
import { readUmask } from './umask.ts'

export interface Staging {
  options: ArchiveOptions
  manifest: Manifest
  /** Absolute; made when it is absent, continued when it is there. */
  staging: string
  /** One line for each chunk whose files are all written. */
  journal: string
}

/**
 * Builds a manifest's tree in the staging directory, whole, times and owners included. May be called again after it was cut: what
 * the journal has is not fetched again.
 */
export async function fillStaging({ options, manifest, staging, journal }: Staging): Promise<void> {
  const { tree } = manifest
  const restorer: Restorer = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    umask: readUmask(),
  }
  mkdirSync(staging, { recursive: true, mode: 0o700 })
  createDirectories(staging, tree.directories)
  createLongFiles(staging, tree.files)
  const pool = createPool<RestoreTask, RestoreTaskResult>(
    new URL('./worker.ts', import.meta.url),
    workerCount(),
  )
  try {
    await restoreChunks({ options, manifest, staging, journal, restorer, pool })
  } finally {
    await pool.close()
  }
  createEmptyFiles(staging, tree.files, restorer)
  finishLongFiles(staging, tree.files, restorer)
  createHardLinks(staging, tree.hardLinks)
  createLinks(staging, tree.links, restorer)
  finishDirectories(staging, tree.directories, restorer)
}

interface Filling extends Staging {
  restorer: Restorer
  pool: Pool<RestoreTask, RestoreTaskResult>
}

/** What must be written from one chunk. */
interface ChunkWork {
  number: number
  chunk: Chunk
  files: FileInFrame[]
  /** For a segment: every file and place in it that these bytes go to. */
  parts: { path: string; position: number; sparse: boolean }[]
}

// 16 requests under way fill a fast link (8 MiB each is what S3 clients of the vendors use); more only take memory.
const REQUESTS = 16

async function restoreChunks(filling: Filling): Promise<void> {
  const { options, manifest, journal } = filling
  const finished = readJournal(journal)
  const work = planWork(manifest).filter(({ number }) => !finished.has(number))
  const total = totalBytes(manifest.tree)
  let done = total - work.reduce((sum, item) => sum + workBytes(item), 0)
  const run = createLimit(REQUESTS)
  const jobs = work.map((item) =>
    run(async () => {
      options.signal?.throwIfAborted()
      await restoreChunk(filling, item)
      appendFileSync(journal, `${item.number}\n`)
      done += workBytes(item)
      options.onProgress?.({ done, total })
    }),
  )
  try {
    await Promise.all(jobs)
  } catch (error) {
    run.stop(error)
    await Promise.allSettled(jobs)
    throw error
  }
}

/** The largest first: what is started last then ends soon. */
function planWork(manifest: Manifest): ChunkWork[] {
  const work: ChunkWork[] = manifest.chunks.map((chunk, number) => ({
    number,
    chunk,
    files: [],
    parts: [],
  }))
  for (const file of manifest.tree.files) {
    if (file.place.kind === 'group') {
      const { place, ...entry } = file
      work[place.chunk]?.files.push({ ...entry, frame: place.frame, offset: place.offset })
    } else if (file.place.kind === 'segments') {
      for (const [index, number] of file.place.chunks.entries()) {
        work[number]?.parts.push({
          path: file.path,
          position: index * SEGMENT_BYTES,
          sparse: file.sparse,
        })
      }
    }
  }
  for (const { files } of work) files.sort((a, b) => a.frame - b.frame || a.offset - b.offset)
  return work
    .filter(({ files, parts }) => files.length + parts.length > 0)
    .toSorted((a, b) => workBytes(b) - workBytes(a))
}

function workBytes({ chunk, files, parts }: ChunkWork): number {
  const raw = chunk.frames.reduce((sum, frame) => sum + frame.raw, 0)
  return files.reduce((sum, file) => sum + file.size, 0) + parts.length * raw
}

async function restoreChunk(filling: Filling, work: ChunkWork): Promise<void> {
  try {
    await restoreOnce(filling, work)
  } catch (error) {
    // Once more from the store: a flipped bit on the way is not one in the store.
    if (!isBerthError(error, 'archive/corrupt-chunk')) throw error
    await restoreOnce(filling, work)
  }
}

async function restoreOnce(
  { options, staging, restorer, pool }: Filling,
  { chunk, files, parts }: ChunkWork,
): Promise<void> {
  const data = await fetchChunk(options, chunk)
  const check: ChunkToCheck = {
    key: chunkKey(chunk.sha256, chunk.kind),
    data,
    sha256: chunk.sha256,
    frames: chunk.frames,
  }
  if (files.length > 0)
    await pool.run({ kind: 'restore-group', root: staging, chunk: check, files, restorer })
  for (const part of parts)
    await pool.run({ kind: 'restore-segment', root: staging, chunk: check, ...part })
}

/** The stored bytes, in memory that the workers share. Throws `archive/missing-chunk`. */
export async function fetchChunk(
  { store, signal }: ArchiveOptions,
  chunk: { sha256: string; kind: ChunkKind; frames: Chunk['frames'] },
): Promise<Uint8Array> {
  const key = chunkKey(chunk.sha256, chunk.kind)
  const bytes = await store.get(key, { signal })
  if (bytes === undefined) {
    throw new BerthError(
      'archive/missing-chunk',
      `could not restore: ${key} is missing from ${store.url}`,
      {
        hint: 'run `berth archive verify` to see what else is, and restore an older generation with `--at`',
      },
    )
  }
  const expected = storedBytes(chunk as Chunk)
  if (bytes.length !== expected) {
    throw new BerthError(
      'archive/corrupt-chunk',
      `${key} has ${bytes.length} bytes instead of ${expected}`,
      {
        hint: 'run `berth archive verify` to see what else is damaged, and restore an older generation with `--at`',
      },
    )
  }
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  return shared
}

function readJournal(journal: string): Set<number> {
  if (!existsSync(journal)) return new Set()
  // A line without its end was cut while it was written.
  const lines = readFileSync(journal, 'utf8').split('\n').slice(0, -1)
  return new Set(lines.map(Number))
}
