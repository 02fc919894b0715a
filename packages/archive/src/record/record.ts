import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BerthError, isBerthError } from '@berth/core/error'
import { isTemporaryName, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { type Manifest, decodeManifest, encodeFinalManifest } from '../format/manifest.ts'
import type { KeptAncestor } from '../merge/merge-base.ts'
import type { ArchiveOptions } from '../options.ts'
import type { Rewritten } from '../venv/rewritten.ts'
import { type TreePlace, placeBehind } from './tree-place.ts'

/** What Berth knows of a directory on this disk; it lies beside the directory, never in it. */
export interface TreeRecord {
  archive: string
  /** The store's URL, without credentials. */
  store: string
  /** The snapshot's name, such as `00000042`, and its generation; empty and 0 while the first restore has not read one. */
  snapshot: string
  generation: number
  /** The id of the snapshot whose state the directory had: the sibling's, where there is one. */
  id: string
  /** False from the moment a restore begins until all of it is in place: such a directory is never saved. */
  complete: boolean
  /** The directory held less than the snapshot when this was written: a save must not take its gaps for deletions. */
  additive: boolean
  /** A snapshot saved beside the archive's history that holds this directory's state; empty when there is none. */
  sibling: string
  /** The id of `snapshot`, where that was merged of this directory's state and another's: the directory lacks the other's. */
  merged?: string
  /** An earlier state of the directory, of which it is known that the history holds it; kept while that is not known of this one. */
  ancestor?: KeptAncestor
  /** Microseconds: a file whose ctime is older has not been touched since the index was written. */
  watermark: number
  /** What the restore adapted to this place, and no save has sent since; absent when there is nothing. */
  rewritten?: Rewritten
  /** ISO 8601, UTC. */
  writtenAt: string
}

/** The record's file. */
export interface StoredRecord extends TreeRecord {
  /** What holds instead as soon as the directory is the one with this identity: its rename is then the commit. */
  pending?: { identity: string; record: TreeRecord }
}

/** What is known of this directory, or `undefined`. An unreadable record is an error (`archive/bad-record`), never «unknown». */
export async function readRecord(directory: string): Promise<TreeRecord | undefined> {
  return readRecordOf(await placeBehind(directory))
}

/** As `readRecord`, for a place that is known already. A swap that was cut is seen as it ended. */
export async function readRecordOf(place: TreePlace): Promise<TreeRecord | undefined> {
  const stored = await readStoredRecord(place)
  if (stored === undefined) return undefined
  const { pending, ...record } = stored
  if (existsSync(join(place.state, MOVING))) return { ...record, complete: false }
  return pending !== undefined && pending.identity === identityOf(place.directory)
    ? pending.record
    : record
}

/** Of a restore that has begun: a save of the directory is refused until all of it is in place. */
export function unreadRecord({ name, store }: ArchiveOptions): TreeRecord {
  return {
    archive: name,
    store: store.url,
    snapshot: '',
    generation: 0,
    id: '',
    complete: false,
    additive: false,
    sibling: '',
    watermark: 0,
    writtenAt: new Date().toISOString(),
  }
}

/** Present while entries are moved into a mountpoint, which no single rename can fill. */
export const MOVING = 'moving'

/** The record's file. */
const RECORD = 'record.json'

export async function readStoredRecord({ state }: TreePlace): Promise<StoredRecord | undefined> {
  const path = join(state, RECORD)
  const bytes = await readFileIfPresent(path)
  if (bytes === undefined) return undefined
  try {
    const record = JSON.parse(bytes.toString('utf8')) as StoredRecord
    if (typeof record.complete !== 'boolean' || typeof record.archive !== 'string')
      throw new TypeError('fields are missing')
    return record
  } catch (cause) {
    throw new BerthError(
      'archive/bad-record',
      `could not read ${path}: ${(cause as Error).message}`,
      {
        hint: 'remove the file: the next save then only adds to the archive',
        cause,
      },
    )
  }
}

/** Tells a directory from all others, also from a later one that got its inode; empty when there is none. */
export function identityOf(directory: string): string {
  const stats = lstatSync(directory, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.ino}:${stats.birthtimeNs}`
}

/**
 * Atomic: either the old record with its index, or the new one with its own. The index is that of the newest state in the
 * record, as a manifest or its bytes.
 */
export async function writeRecord(
  state: string,
  record: StoredRecord,
  index?: Manifest | Uint8Array,
): Promise<void> {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const newest = record.pending?.record ?? record
  if (index !== undefined) {
    const bytes = index instanceof Uint8Array ? index : encodeFinalManifest(index)
    await writeFileAtomic(join(state, indexName(newest)), bytes)
  }
  await writeFileAtomic(join(state, RECORD), `${JSON.stringify(record)}\n`)
  const needed = [indexName(record), indexName(newest)]
  for (const name of readdirSync(state)) {
    const isOld = name.startsWith('index-') && !needed.includes(name)
    // A temporary file is what a writer left that was killed: the lock on the tree lets in one at a time.
    if (isOld || isTemporaryName(name)) rmSync(join(state, name), { force: true })
  }
}

/** From now on nothing is known of the directory: a save only adds. */
export async function forgetRecord(directory: string): Promise<void> {
  const { state } = await placeBehind(directory)
  rmSync(join(state, RECORD), { force: true })
}

/** The state of the tree when the record was written; `undefined` where it was lost, which only makes the next save slower. */
export async function readIndex(state: string, record: TreeRecord): Promise<Manifest | undefined> {
  const path = join(state, indexName(record))
  const bytes = await readFileIfPresent(path)
  try {
    return bytes === undefined ? undefined : decodeManifest(bytes, path)
  } catch (error) {
    if (isBerthError(error)) return undefined
    throw error
  }
}

function indexName(record: TreeRecord): string {
  return `index-${record.id}-${record.watermark}.json.zst`
}
