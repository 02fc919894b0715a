import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { BerthError, isBerthError } from '@berth/core/error'
import { type ChunkKind, chunkKey } from './format.ts'
import { type Chunk, type Manifest, rawSize, storedBytes, totalBytes } from './manifest.ts'
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
  ignoring,
} from './restore-entries.ts'
import { relocateStaged } from './relocate.ts'
import type { Rewritten } from './rewritten.ts'
import type { Staging } from './staging.ts'
import { readUmask } from './umask.ts'
import type { Destination } from './venv-moves.ts'

export interface TreeToFill {
  options: ArchiveOptions
  /** Where it will stand once it is whole. */
  destination: Destination
  manifest: Manifest
  staging: Staging
}

/**
 * Builds a manifest's tree in the staging directory, whole, times and owners included, its venvs fit for their destination. May be
 * called again after it was cut: chunks that were finished are not fetched again.
 */
export async function fillStaging(filling: TreeToFill): Promise<Rewritten> {
  const { options, manifest, staging } = filling
  const { tree } = manifest
  const root = staging.tree
  const restorer = makeRoot(root)
  createDirectories(root, tree.directories)
  createLongFiles(root, tree.files)
  options.signal?.throwIfAborted()
  const pool = createPool<RestoreTask, RestoreTaskResult>(
    new URL('./worker.ts', import.meta.url),
    workerCount(),
    options.signal,
  )
  try {
    await restoreChunks({ ...filling, restorer, pool })
  } finally {
    await pool.close()
  }
  createEmptyFiles(root, tree.files, restorer)
  finishLongFiles(root, tree.files, restorer)
  createHardLinks(root, tree.hardLinks)
  createLinks(root, tree.links, restorer)
  options.signal?.throwIfAborted()
  const rewritten = await relocateStaged(filling)
  finishDirectories(root, tree.directories, restorer)
  return rewritten
}

/**
 * The directory in which a tree grows, and the owner of what is new in it. That is not always who makes it: a parent with setgid
 * would pass on its group, and a network disk may squash root.
 */
function makeRoot(root: string): Restorer {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  mkdirSync(root, { recursive: true, mode: 0o700 })
  chmodSync(root, 0o700)
  ignoring('EPERM', () => ignoring('EINVAL', () => chownSync(root, uid, gid)))
  const owner = statSync(root)
  return { isRoot: uid === 0, uid: owner.uid, gid: owner.gid, umask: readUmask() }
}

interface Filling extends TreeToFill {
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
  const { options, manifest, staging } = filling
  const work = planWork(manifest).filter(({ number }) => !staging.finished.has(number))
  const total = totalBytes(manifest.tree)
  let done = total - work.reduce((sum, item) => sum + workBytes(item), 0)
  const run = createLimit(REQUESTS)
  const jobs = work.map((item) =>
    run(async () => {
      options.signal?.throwIfAborted()
      await restoreChunk(filling, item)
      staging.finish(item.number)
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
      let position = 0
      for (const number of file.place.chunks) {
        const { path, sparse } = file
        work[number]?.parts.push({ path, position, sparse })
        position += rawSize(manifest.chunks[number] as Chunk)
      }
    }
  }
  for (const { files } of work) files.sort((a, b) => a.frame - b.frame || a.offset - b.offset)
  return work
    .filter(({ files, parts }) => files.length + parts.length > 0)
    .toSorted((a, b) => workBytes(b) - workBytes(a))
}

function workBytes({ chunk, files, parts }: ChunkWork): number {
  return files.reduce((sum, file) => sum + file.size, 0) + parts.length * rawSize(chunk)
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
    await pool.run({ kind: 'restore-group', root: staging.tree, chunk: check, files, restorer })
  for (const part of parts)
    await pool.run({ kind: 'restore-segment', root: staging.tree, chunk: check, ...part })
}

/** The stored bytes, in memory that the workers share. Throws `archive/missing-chunk`. */
export async function fetchChunk(
  { store, signal }: ArchiveOptions,
  chunk: { sha256: string; kind: ChunkKind; frames: Chunk['frames'] },
): Promise<Uint8Array> {
  const key = chunkKey(chunk.sha256, chunk.kind)
  const bytes = await store.get(key, { signal, bulk: true })
  if (bytes === undefined) {
    throw new BerthError('archive/missing-chunk', `${key} is missing from ${store.url}`, {
      hint: 'run `berth archive verify` to see what else is, and restore an older generation with `--at`',
    })
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
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
