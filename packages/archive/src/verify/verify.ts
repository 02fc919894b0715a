import { isBerthError } from '@berth/core/error'
import { createLimit } from '../workers/limit.ts'
import { findSnapshot } from '../snapshots/find-snapshot.ts'
import { chunkKey } from '../format/format.ts'
import type { Chunk, Manifest } from '../format/manifest.ts'
import { storedBytes } from '../format/manifest.ts'
import { workerCount } from '../venv/machine.ts'
import { checkArchiveName } from '../format/name.ts'
import type { ArchiveOptions } from '../options.ts'
import { type Pool, createPool } from '../workers/pool.ts'
import { WORKER } from '../workers/threads.ts'
import { fetchChunk } from '../restore/restore-tree.ts'
import type { RestoreTask, RestoreTaskResult } from '../restore/restore-work.ts'
import { readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { checkStoreFormat } from '../snapshots/store-files.ts'

export interface VerifyOptions extends ArchiveOptions {
  /** Only this snapshot, by generation or name; all of them otherwise. */
  snapshot?: string | undefined
}

export interface VerifyProblem {
  /** The damaged or missing object. */
  key: string
  code: string
  message: string
  /** The snapshots that need it. */
  snapshots: string[]
}

export interface VerifyResult {
  snapshots: number
  chunks: number
  storedBytes: number
  problems: VerifyProblem[]
}

/** Fetches and decodes everything that the snapshots need. Changes nothing; finds problems rather than throwing them. */
export async function verifyArchive(options: VerifyOptions): Promise<VerifyResult> {
  const { store, name, signal } = options
  checkArchiveName(name)
  await checkStoreFormat(store, { signal })
  const { history, siblings } = await readSnapshotList(store, name, { signal })
  const all = [...history, ...siblings]
  const references =
    options.snapshot === undefined || all.length === 0
      ? all
      : [findSnapshot({ history, siblings }, options.snapshot, { archive: name, store: store.url })]
  const problems: VerifyProblem[] = []
  const needed = new Map<string, { chunk: Chunk; snapshots: string[] }>()
  for (const reference of references) {
    const manifest = await readOrReport(options, reference.name, problems)
    for (const chunk of manifest?.chunks ?? []) {
      const entry = needed.get(chunk.sha256) ?? { chunk, snapshots: [] }
      entry.snapshots.push(reference.name)
      needed.set(chunk.sha256, entry)
    }
  }
  const chunks = [...needed.values()]
  await checkChunks(options, chunks, problems)
  return {
    snapshots: references.length,
    chunks: chunks.length,
    storedBytes: chunks.reduce((sum, { chunk }) => sum + storedBytes(chunk), 0),
    problems,
  }
}

async function readOrReport(
  { store, name, signal }: VerifyOptions,
  snapshot: string,
  problems: VerifyProblem[],
): Promise<Manifest | undefined> {
  try {
    return await readSnapshot(store, name, snapshot, { signal })
  } catch (error) {
    if (!isBerthError(error) || !error.code.startsWith('archive/')) throw error
    problems.push({
      key: snapshot,
      code: error.code,
      message: error.message,
      snapshots: [snapshot],
    })
    return undefined
  }
}

const REQUESTS = 8

async function checkChunks(
  options: VerifyOptions,
  chunks: { chunk: Chunk; snapshots: string[] }[],
  problems: VerifyProblem[],
): Promise<void> {
  const pool: Pool<RestoreTask, RestoreTaskResult> = createPool(WORKER, workerCount())
  const run = createLimit(REQUESTS)
  const total = chunks.reduce((sum, { chunk }) => sum + storedBytes(chunk), 0)
  let done = 0
  const check = async ({
    chunk,
    snapshots,
  }: {
    chunk: Chunk
    snapshots: string[]
  }): Promise<void> => {
    options.signal?.throwIfAborted()
    const key = chunkKey(chunk.sha256, chunk.kind)
    try {
      const data = await fetchChunk(options, chunk)
      await pool.run({
        kind: 'check-chunk',
        chunk: { key, data, sha256: chunk.sha256, frames: chunk.frames },
      })
    } catch (error) {
      if (!isBerthError(error) || !error.code.startsWith('archive/')) throw error
      problems.push({ key, code: error.code, message: error.message, snapshots })
    }
    done += storedBytes(chunk)
    options.onProgress?.({ done, total })
  }
  try {
    await Promise.all(chunks.map((chunk) => run(() => check(chunk))))
  } finally {
    await pool.close()
  }
}
