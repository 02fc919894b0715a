import { randomBytes } from 'node:crypto'
import { BerthError } from '@berth/core/error'
import type { ObjectInfo } from '@berth/object-store'
import type { PruneOptions } from './prune.ts'
import { type FoundMark, encodeMark, markKey, sweptKey } from './prune-mark.ts'
import type { References, ReferringSnapshot } from './prune-references.ts'
import { DEFAULT_RETENTION, chooseForgotten } from './prune-retention.ts'
import type { Stopwatch } from '../workers/stopwatch.ts'

/** What a prune has read at its start. */
export interface Prune {
  options: PruneOptions
  watch: Stopwatch
  graceMs: number
  /** The store's time. */
  now: number
  references: References
  marks: FoundMark[]
  /** Chunks and hashes. */
  present: Map<string, ObjectInfo>
  dryRun: boolean
}

// What was read at the start decides; a removal that comes much later could meet something new.
const PATIENCE_MS = 30 * 60 * 1000

function requireRecent({ watch, options }: Prune): void {
  options.signal?.throwIfAborted()
  if (watch() <= PATIENCE_MS) return
  throw new BerthError(
    'archive/prune-late',
    `could not go on pruning ${options.store.url}: ${Math.round(watch() / 60_000)} minutes have passed since its snapshots were read`,
    { hint: 'run it again: it goes on where it was' },
  )
}

/** Every snapshot of a store. */
export function snapshotsOf({ archives }: References): ReferringSnapshot[] {
  return [...archives.values()].flat()
}

export interface Swept {
  keys: Set<string>
  bytes: number
  spared: number
}

// As many as S3 removes at once; the time is looked at in between.
const BATCH = 1000

/** Removes what ripe marks name and nothing needs; then they are out of force. */
export async function sweep(prune: Prune, pending: readonly FoundMark[]): Promise<Swept> {
  const { references, present, options, dryRun } = prune
  const needed = new Set(snapshotsOf(references).flatMap(({ needs }) => needs))
  const swept: Swept = { keys: new Set(), bytes: 0, spared: 0 }
  for (const { id, modifiedAt, mark } of pending) {
    for (const key of mark.objects) {
      const object = present.get(key)
      if (object === undefined || swept.keys.has(key)) continue
      if (needed.has(key) || object.modifiedAt >= modifiedAt) {
        swept.spared++
        continue
      }
      swept.keys.add(key)
      swept.bytes += object.size
    }
    if (dryRun) continue
    await removeInBatches(
      prune,
      mark.objects.filter((key) => swept.keys.has(key)),
    )
    await options.store.put(sweptKey(id), Buffer.alloc(0), { signal: options.signal })
  }
  return swept
}

async function removeInBatches(prune: Prune, keys: readonly string[]): Promise<void> {
  const { store, signal } = prune.options
  for (let start = 0; start < keys.length; start += BATCH) {
    requireRecent(prune)
    await store.remove(keys.slice(start, start + BATCH), { signal })
  }
}

export interface Forgotten {
  keys: Set<string>
  snapshots: string[]
  spared: string[]
}

/** Forgets the snapshots that ripe marks name and the retention of now does not keep. All marks are out of force by then. */
export async function forget(prune: Prune, pending: readonly FoundMark[]): Promise<Forgotten> {
  const forgotten: Forgotten = { keys: new Set(), snapshots: [], spared: [] }
  const wanted = pending.flatMap(({ mark }) => mark.snapshots)
  if (wanted.length === 0) return forgotten
  const unkept = new Map(chooseSnapshots(prune).map((snapshot) => [snapshot.id, snapshot]))
  for (const { archive, snapshot, id } of wanted) {
    const found = unkept.get(id)
    if (found === undefined) forgotten.spared.push(`${archive}@${snapshot}`)
    else {
      forgotten.keys.add(found.key)
      forgotten.snapshots.push(`${archive}@${snapshot}`)
    }
  }
  if (!prune.dryRun) await removeInBatches(prune, [...forgotten.keys])
  return forgotten
}

/** The snapshots that no rule keeps. */
function chooseSnapshots({ options, references, now }: Prune): ReferringSnapshot[] {
  const retention = { ...DEFAULT_RETENTION, ...options.retention }
  return [...references.archives].flatMap(([archive, snapshots]) => {
    if (options.name !== undefined && options.name !== archive) return []
    const names = new Set(chooseForgotten(snapshots, retention, now))
    return snapshots.filter(({ name }) => names.has(name))
  })
}

/**
 * A mark outlives its sweep by the grace, so that a save which began before still sees what it must not rely on. What says that it is
 * swept goes last.
 */
export async function clearOldMarks({
  options,
  marks,
  now,
  graceMs,
  dryRun,
}: Prune): Promise<void> {
  const { store, signal } = options
  if (dryRun) return
  for (const { id, sweptAt, mark } of marks) {
    if (sweptAt === undefined || now < sweptAt + Math.max(graceMs, mark.graceMs)) continue
    await store.remove([markKey(id)], { signal })
    await store.remove([sweptKey(id)], { signal })
  }
}

export interface Gone {
  swept: ReadonlySet<string>
  forgotten: ReadonlySet<string>
}

export interface Marked {
  objects: ObjectInfo[]
  snapshots: ReferringSnapshot[]
  young: ObjectInfo[]
}

/** Marks what is of no use now, and the snapshots that no rule keeps. */
export async function mark(prune: Prune, gone: Gone): Promise<Marked> {
  const { references, present, now, graceMs, options } = prune
  const remaining = snapshotsOf(references).filter(({ key }) => !gone.forgotten.has(key))
  const needed = new Set(remaining.flatMap(({ needs }) => needs))
  // A listing that shows no snapshot at all is more likely wrong than a store without any is in need of room.
  const useless = (remaining.length === 0 ? [] : [...present.values()]).filter(
    ({ key }) => !needed.has(key) && !gone.swept.has(key),
  )
  const isOld = ({ modifiedAt }: ObjectInfo): boolean => modifiedAt <= now - graceMs
  const marked: Marked = {
    objects: useless.filter(isOld),
    young: useless.filter((object) => !isOld(object)),
    snapshots: chooseSnapshots(prune).filter(({ key }) => !gone.forgotten.has(key)),
  }
  if (prune.dryRun || marked.objects.length + marked.snapshots.length === 0) return marked
  const bytes = encodeMark({
    graceMs,
    snapshots: marked.snapshots.map(({ archive, name, id }) => ({ archive, snapshot: name, id })),
    objects: marked.objects.map(({ key }) => key),
  })
  requireRecent(prune)
  const id = `${new Date(now).toISOString().replaceAll(/\D/g, '').slice(0, 14)}-${randomBytes(4).toString('hex')}`
  await options.store.put(markKey(id), bytes, { signal: options.signal })
  return marked
}
