import { randomBytes } from 'node:crypto'
import { BerthError } from '@berth/core/error'
import type { ObjectInfo } from '@berth/object-store'
import type { ArchiveOptions } from '../options.ts'
import { DEFAULT_GRACE_MS } from './age.ts'
import { type FoundMark, clockKey, readMarks } from './prune-mark.ts'
import { type References, type ReferringSnapshot, readReferences } from './prune-references.ts'
import type { Retention } from './prune-retention.ts'
import {
  type Forgotten,
  type Gone,
  type Marked,
  type Prune,
  type Swept,
  clearOldMarks,
  forget,
  mark,
  snapshotsOf,
  sweep,
} from './prune-sweep.ts'
import { startStopwatch } from '../workers/stopwatch.ts'
import { requireStore } from '../snapshots/store-files.ts'

export interface PruneOptions extends Omit<ArchiveOptions, 'name' | 'onProgress'> {
  /** Forgets snapshots of this archive only; what no snapshot of any archive needs is removed in any case. */
  name?: string | undefined
  retention?: Partial<Retention>
  /**
   * How long something must have been of no use before it is removed: longer than any save may rely on what it saw, an hour at
   * least where others may save meanwhile. A day, if it isn't given.
   */
  graceMs?: number | undefined
  /** Says what would happen, and writes nothing. */
  dryRun?: boolean
}

export interface PrunedAmount {
  objects: number
  bytes: number
  /** `comfyui/venv@00000003` */
  snapshots: string[]
}

export interface PruneResult {
  /** `waiting`: a mark stands that is not old enough yet, so nothing was changed. */
  result: 'pruned' | 'waiting' | 'unchanged'
  /** Gone now. */
  removed: PrunedAmount
  /** To be removed by a prune after `nextAt`, unless they are used again. */
  marked: PrunedAmount
  /** What only the marked snapshots need: of no use once they are forgotten, and gone a grace later. */
  later: { objects: number; bytes: number }
  /** When a further prune can remove what is marked, by the store's clock: ISO 8601, UTC; empty when nothing is. */
  nextAt: string
  /** Marked before, and kept: used again, put anew, or wanted by the retention of now. */
  spared: { objects: number; snapshots: string[] }
  /** What stays. */
  kept: { snapshots: number; siblings: number; objects: number; bytes: number }
  /** Of no use now, but not long enough: a save under way may have put it. */
  young: { objects: number; bytes: number }
}

/**
 * Removes what a store's archives no longer need, in two phases: what is of no use is marked, and removed by a later call when the
 * mark has stood for the grace and nothing uses it by then. Needs no lock; saves and restores go on meanwhile. A call that is cut is
 * ended by the next.
 *
 * Throws, and removes nothing, when a snapshot or a mark can't be read: `archive/bad-manifest`, `archive/newer-format`,
 * `archive/bad-mark`. Throws `archive/missing-store` where there is no store, and makes none.
 */
export async function pruneStore(options: PruneOptions): Promise<PruneResult> {
  const { store, signal, dryRun = false, graceMs = DEFAULT_GRACE_MS } = options
  await requireStore(store, { signal })
  const watch = startStopwatch(options.now)
  const now = dryRun ? (options.now ?? Date.now)() : await readStoreClock(options)
  // In this order. A snapshot that is missing here was forgotten by a prune that had taken all marks out of force before.
  const references = await readReferences(store, { signal })
  const marks = await readMarks(store, { signal })
  const present = await listPruned(options, references)
  const prune: Prune = { options, watch, graceMs, now, references, marks, present, dryRun }
  const pending = marks.filter(({ sweptAt }) => sweptAt === undefined)
  const nextAt = Math.max(0, ...pending.map((found) => ripeAt(found, graceMs)))
  if (nextAt > now) return describeWaiting(prune, { pending, nextAt })
  const swept = await sweep(prune, pending)
  const forgotten = await forget(prune, pending)
  await clearOldMarks(prune)
  const marked = await mark(prune, { swept: swept.keys, forgotten: forgotten.keys })
  return describe(prune, { swept, forgotten, marked })
}

/** The date that the store itself gives to an object that is put now. */
async function readStoreClock({ store, signal }: PruneOptions): Promise<number> {
  const key = clockKey(randomBytes(8).toString('hex'))
  await store.put(key, Buffer.alloc(0), { signal })
  const found = await store.head(key, { signal })
  await store.remove([key], { signal })
  if (found !== undefined) return found.modifiedAt
  throw new BerthError(
    'archive/no-clock',
    `could not read the time of ${store.url}: ${key} is gone`,
    {
      hint: 'run it again, and look for a rule that removes new objects',
    },
  )
}

function ripeAt({ modifiedAt, mark }: FoundMark, graceMs: number): number {
  return modifiedAt + Math.max(graceMs, mark.graceMs)
}

const CHUNK = /^chunks\/[0-9a-f]{2}\/[0-9a-f]{64}(\.tar)?\.zst$/

/** Objects that a prune may remove, by what their keys say. */
async function listPruned(
  { store, signal }: PruneOptions,
  { hashes }: References,
): Promise<Map<string, ObjectInfo>> {
  const present = new Map(hashes.map((object) => [object.key, object]))
  for await (const object of store.list('chunks/', { signal }))
    if (CHUNK.test(object.key)) present.set(object.key, object)
  return present
}

function describe(
  prune: Prune,
  done: { swept: Swept; forgotten: Forgotten; marked: Marked },
): PruneResult {
  const { swept, forgotten, marked } = done
  const isMarked = marked.objects.length + marked.snapshots.length > 0
  const isRemoved = swept.keys.size + forgotten.keys.size > 0
  return {
    result: isMarked || isRemoved ? 'pruned' : 'unchanged',
    removed: { objects: swept.keys.size, bytes: swept.bytes, snapshots: forgotten.snapshots },
    marked: {
      objects: marked.objects.length,
      bytes: totalSize(marked.objects),
      snapshots: marked.snapshots.map(label),
    },
    later: describeLater(prune, new Set(marked.snapshots.map(({ id }) => id)), forgotten.keys),
    nextAt: isMarked ? new Date(prune.now + prune.graceMs).toISOString() : '',
    spared: { objects: swept.spared, snapshots: forgotten.spared },
    kept: describeKept(prune, { swept: swept.keys, forgotten: forgotten.keys }),
    young: { objects: marked.young.length, bytes: totalSize(marked.young) },
  }
}

function describeWaiting(
  prune: Prune,
  { pending, nextAt }: { pending: readonly FoundMark[]; nextAt: number },
): PruneResult {
  const keys = new Set(pending.flatMap(({ mark }) => mark.objects))
  const objects = [...prune.present.values()].filter(({ key }) => keys.has(key))
  const ids = new Set(pending.flatMap(({ mark }) => mark.snapshots.map(({ id }) => id)))
  return {
    result: 'waiting',
    removed: { objects: 0, bytes: 0, snapshots: [] },
    marked: {
      objects: objects.length,
      bytes: totalSize(objects),
      snapshots: pending.flatMap(({ mark }) =>
        mark.snapshots.map(({ archive, snapshot }) => `${archive}@${snapshot}`),
      ),
    },
    later: describeLater(prune, ids, new Set()),
    nextAt: new Date(nextAt).toISOString(),
    spared: { objects: 0, snapshots: [] },
    kept: describeKept(prune, { swept: new Set(), forgotten: new Set() }),
    young: { objects: 0, bytes: 0 },
  }
}

function describeLater(
  { references, present }: Prune,
  leaving: ReadonlySet<string>,
  forgotten: ReadonlySet<string>,
): PruneResult['later'] {
  const snapshots = snapshotsOf(references).filter(({ key }) => !forgotten.has(key))
  const staying = new Set(snapshots.flatMap(({ id, needs }) => (leaving.has(id) ? [] : needs)))
  const needs = new Set(snapshots.flatMap((each) => (leaving.has(each.id) ? each.needs : [])))
  const objects = [...present.values()].filter(({ key }) => needs.has(key) && !staying.has(key))
  return { objects: objects.length, bytes: totalSize(objects) }
}

function describeKept({ references, present }: Prune, gone: Gone): PruneResult['kept'] {
  const objects = [...present.values()].filter(({ key }) => !gone.swept.has(key))
  const snapshots = snapshotsOf(references).filter(({ key }) => !gone.forgotten.has(key))
  const siblings = snapshots.filter(({ sibling }) => sibling).length
  return {
    snapshots: snapshots.length,
    siblings,
    objects: objects.length,
    bytes: totalSize(objects),
  }
}

function label({ archive, name }: ReferringSnapshot): string {
  return `${archive}@${name}`
}

function totalSize(objects: readonly ObjectInfo[]): number {
  return objects.reduce((sum, { size }) => sum + size, 0)
}
