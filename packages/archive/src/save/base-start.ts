import { isBerthError } from '@berth/core/error'
import { snapshotPrefix } from '../format/format.ts'
import type { Manifest } from '../format/manifest.ts'
import { readLocal } from '../merge/merge-base.ts'
import { type TreeRecord, readIndex, unreadRecord } from '../record/record.ts'
import type { TreePlace } from '../record/tree-place.ts'
import {
  type SnapshotReference,
  readSnapshot,
  readSnapshotId,
  readSnapshotList,
} from '../snapshots/snapshots.ts'
import type { SaveOptions } from './save.ts'

/** What is known before a manifest is read. */
export interface Known {
  latest: SnapshotReference
  own?: TreeRecord | undefined
  marks: string[]
}

/** A directory's own state, and how far its times vouch for it. */
interface Started {
  record: TreeRecord
  /** The directory's own state; `undefined` where that is lost, and no snapshot holds it by itself. */
  manifest: Manifest | undefined
  watermark: number
}

/** `undefined` when the snapshot that the record relies on is not there. */
export async function startFromRecord(
  options: SaveOptions,
  place: TreePlace,
  record: TreeRecord,
): Promise<Started | undefined> {
  const { store, name, signal } = options
  // The chunks that the index speaks of are there as long as their snapshot is.
  const { snapshot, holder } = holderOf(record)
  const [id, index] = await Promise.all([
    readSnapshotId(store, name, snapshot, { signal }),
    readIndex(place.state, record),
  ])
  if (id !== holder) return undefined
  if (index !== undefined) return { record, manifest: index, watermark: record.watermark }
  if (holder !== record.id) return { record, manifest: undefined, watermark: 0 }
  const manifest = await tryReadSnapshot(options, snapshot)
  return manifest && { record, manifest, watermark: 0 }
}

/** The snapshot that holds what a record's state needs, by name and by id. */
export function holderOf(record: TreeRecord): { snapshot: string; holder: string } {
  return record.sibling === ''
    ? { snapshot: record.snapshot, holder: record.merged ?? record.id }
    : { snapshot: record.sibling, holder: record.id }
}

// A save that was killed is looked for among so many of the newest.
const ADOPTED_AMONG = 10

/**
 * A save that was killed between its commit and its record: a snapshot of the history is this directory's own, or what it was merged
 * into. What has not been touched since the record before it was then as it is now.
 */
export async function adoptCommit(
  options: SaveOptions,
  place: TreePlace,
  { latest, own, marks }: Known,
): Promise<Started | undefined> {
  if (marks.length === 0 || own?.snapshot === latest.name) return undefined
  for (const reference of await listNewer(options, own)) {
    const manifest = await tryReadSnapshot(options, reference.name)
    if (manifest === undefined || !marks.includes(manifest.id)) continue
    const isMerged = manifest.merged !== undefined
    const local = isMerged ? await readLocal(place, manifest.id) : manifest
    const record: TreeRecord = {
      ...unreadRecord(options),
      snapshot: reference.name,
      generation: isMerged ? (own?.generation ?? 0) : reference.generation,
      id: (local ?? manifest).id,
      complete: true,
      // Of a merged snapshot it is not known what of it was ever here.
      additive: manifest.additive || own?.additive === true || local === undefined,
      watermark: local === undefined ? 0 : (own?.watermark ?? 0),
      ...(isMerged && local !== undefined ? { merged: manifest.id } : {}),
    }
    return { record, manifest: local ?? manifest, watermark: record.watermark }
  }
  return undefined
}

/** The history's newest snapshots that a directory has no record of. */
async function listNewer(
  { store, name, signal }: SaveOptions,
  own: TreeRecord | undefined,
): Promise<SnapshotReference[]> {
  const after = own && own.snapshot !== '' ? snapshotPrefix(name) + own.snapshot : undefined
  const { history } = await readSnapshotList(store, name, {
    signal,
    ...(after === undefined ? {} : { after }),
  })
  return history.slice(0, ADOPTED_AMONG)
}

/** A snapshot that is missing or damaged is none to start from. */
export async function tryReadSnapshot(
  { store, name, signal }: SaveOptions,
  snapshot: string,
): Promise<Manifest | undefined> {
  try {
    return await readSnapshot(store, name, snapshot, { signal })
  } catch (error) {
    if (isBerthError(error) && UNUSABLE.has(error.code)) return undefined
    throw error
  }
}

const UNUSABLE: ReadonlySet<string> = new Set([
  'archive/missing-snapshot',
  'archive/bad-manifest',
  'archive/unsafe-path',
])
