import type { ObjectStore } from '@berth/object-store'
import { ObjectFetch } from './fetch-frames.ts'
import { RESTORE_REQUESTS, createFetcher } from './fetch-objects.ts'
import { type ChunkKind, chunkKey } from '../format/format.ts'
import { FrameArena } from './frame-arena.ts'
import { workerCount } from '../venv/machine.ts'
import { type Chunk, type Manifest, storedBytes } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { Threads, WORKER } from '../workers/threads.ts'
import { type ThreadPool, createPool } from '../workers/pool.ts'
import { columnsOf } from '../snapshots/read-facts.ts'
import { findMovedVenvs } from '../venv/moved-venvs.ts'
import { relocateStaged } from '../venv/relocate.ts'
import { createHardLinks, createLinks, finishLongFiles } from './restore-entries.ts'
import { type ObjectWork, type RestorePlan, planRestore, ranges } from './restore-plan.ts'
import { GrowingDirectories } from './restore-directories.ts'
import { makeRoot } from './restore-root.ts'
import type { RestoreTask, RestoreTaskResult, SharedTree } from './restore-work.ts'
import type { Rewritten } from '../venv/rewritten.ts'
import type { Staging } from './staging.ts'
import type { Destination } from '../venv/venv-moves.ts'

export interface TreeToFill {
  options: ArchiveOptions
  /** Where it will stand once it is whole. */
  destination: Destination
  manifest: Manifest
  staging: Staging
  /** Started before; else it is started here. */
  crew?: Crew
}

/** Threads and connections of a restore. */
export interface Crew extends AsyncDisposable {
  pool: ThreadPool<RestoreTask, RestoreTaskResult>
}

/** Starts what a restore needs before it is known what there is to do. */
export function startCrew({ store, signal, threads }: ArchiveOptions): Crew {
  store.expectReads(RESTORE_REQUESTS)
  const crew = threads ?? new Threads(WORKER, 'restore')
  const pool = createPool<RestoreTask, RestoreTaskResult>(crew, workerCount(), signal, 2)
  pool.start()
  return { pool, [Symbol.asyncDispose]: () => pool.close() }
}

/**
 * Builds a manifest's tree in the staging directory, whole, times and owners included, its venvs fit for their destination. May be
 * called again after it was cut: chunks that were finished are not fetched again.
 */
export async function fillStaging(filling: TreeToFill): Promise<Rewritten> {
  if (filling.crew !== undefined) return fill(filling, filling.crew)
  await using crew = startCrew(filling.options)
  return await fill(filling, crew)
}

async function fill(filling: TreeToFill, crew: Crew): Promise<Rewritten> {
  const { options, manifest, staging } = filling
  const columns = columnsOf(manifest)
  const root = staging.tree
  const restorer = makeRoot(root)
  options.signal?.throwIfAborted()
  const plan = planRestore(columns, manifest.chunks)
  const tree: SharedTree = { ...plan.tree, root, restorer, mayHold: staging.continued }
  tree.directories.made[0] = 1
  const contents = makeContents({ options, staging, pool: crew.pool }, plan, tree)
  // While others work; the tree itself is looked at when it is there.
  const [, moved] = await Promise.all([contents, findMovedVenvs(filling)])
  const entries = { root, columns, restorer }
  finishLongFiles(entries)
  createHardLinks(entries)
  createLinks(entries)
  options.signal?.throwIfAborted()
  const rewritten = await relocateStaged(filling, moved)
  await finishDirectories(tree, crew)
  return rewritten
}

const DIRECTORIES_AT_ONCE = 250

/** All directories and files with their contents. */
async function makeContents(
  { options, staging, pool }: Pick<TreeToFill, 'options' | 'staging'> & Pick<Crew, 'pool'>,
  plan: RestorePlan,
  tree: SharedTree,
): Promise<void> {
  const failure = new AbortController()
  // What still waits for a thread is of no use any more.
  failure.signal.addEventListener('abort', () => void pool.close(), { once: true })
  const jobs: Promise<unknown>[] = []
  const add = (job: Promise<unknown>): void => {
    job.catch((error: unknown) => failure.abort(error))
    jobs.push(job)
  }
  for (let worker = 0; worker < pool.size; worker++)
    add(pool.runOn(worker, { kind: 'begin', tree }))
  for (const [first, end] of ranges(1, tree.directories.parent.length, DIRECTORIES_AT_ONCE))
    add(pool.run({ kind: 'make-directories', first, end }))
  for (const files of plan.empty) add(pool.run({ kind: 'make-empty-files', files }))
  const objects = plan.objects.filter(({ number }) => !staging.finished.has(number))
  const signals = [options.signal, failure.signal].filter((signal) => signal !== undefined)
  using fetcher = openFetcher(options.store, objects, AbortSignal.any(signals))
  const total = plan.totalBytes
  let done = total - objects.reduce((sum, { bytes }) => sum + bytes, 0)
  const restoreObject = async (object: ObjectWork): Promise<void> => {
    await fetcher.fetch(object, createFrameWork(object, pool))
    staging.finish(object.number)
    done += object.bytes
    options.onProgress?.({ done, total })
  }
  for (const object of objects) add(restoreObject(object))
  await Promise.allSettled(jobs)
  if (failure.signal.aborted) throw failure.signal.reason
}

// In memory at once, fetched and not written: what 16 requests bring while the threads are busy with something else.
const ARENA_BYTES = 24 * 1024 * 1024

function openFetcher(store: ObjectStore, objects: readonly ObjectWork[], signal: AbortSignal) {
  const largest = Math.max(0, ...objects.flatMap(({ frames }) => frames.map((f) => f.stored)))
  const arena = new FrameArena(Math.max(ARENA_BYTES, 2 * largest))
  return createFetcher({ store, arena, signal })
}

/** A frame is decoded by whichever thread is free; the sum over its object is taken by one thread, frame after frame. */
function createFrameWork({ number, key, sha256, frames }: ObjectWork, pool: Crew['pool']) {
  return async (index: number, stored: Uint8Array, again: boolean): Promise<void> => {
    const { raw, files, parts } = frames[index] as ObjectWork['frames'][number]
    const isLast = index === frames.length - 1
    const isNeeded = files !== undefined || parts.length > 0
    const sum: RestoreTask = { kind: 'sum-frame', key, stored, isFirst: index === 0 }
    const jobs = [pool.runOn(number, isLast ? { ...sum, sha256 } : sum)]
    if (isNeeded)
      jobs.push(pool.run({ kind: 'restore-frame', key, stored, raw, files, parts, again }))
    // The memory is given to others when this ends, so both must have.
    for (const result of await Promise.allSettled(jobs))
      if (result.status === 'rejected') throw result.reason
  }
}

/** Those that shut us out last, children first; all others in any order. */
async function finishDirectories(tree: SharedTree, { pool }: Crew): Promise<void> {
  const count = tree.directories.parent.length
  const jobs = ranges(0, count, DIRECTORIES_AT_ONCE).map(([first, end]) =>
    pool.run({ kind: 'finish-directories', first, end }),
  )
  await Promise.all(jobs)
  const own = new GrowingDirectories(tree, tree.directories)
  for (let index = count - 1; index >= 0; index--) if (!own.isOpen(index)) own.finish(index)
}

/** The stored bytes of a chunk, in memory that threads share. Throws `archive/missing-chunk` and, where the length is wrong, `archive/corrupt-chunk`. */
export async function fetchChunk(
  { store, signal }: Pick<ArchiveOptions, 'store' | 'signal'>,
  chunk: { sha256: string; kind: ChunkKind; frames: Chunk['frames'] },
): Promise<Uint8Array> {
  const size = storedBytes(chunk as Chunk)
  const key = chunkKey(chunk.sha256, chunk.kind)
  const whole = new Uint8Array(new SharedArrayBuffer(size))
  const never = new AbortController().signal
  const fetch = new ObjectFetch(
    { key, frames: [{ stored: size }] },
    {
      store,
      arena: { take: () => ({ bytes: whole, release: () => {} }) },
      signal: signal ?? never,
      onFrame: () => {},
    },
  )
  await fetch.run()
  return whole
}
