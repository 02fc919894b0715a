import { BerthError, isBerthError } from '@berth/core/error'
import { parseSnapshotName, snapshotPrefix } from '../format/format.ts'
import type { Manifest } from '../format/manifest.ts'
import { type Ancestry, NOTHING, findAncestor, readLocal } from '../merge/merge-base.ts'
import { type TreeRecord, readIndex, readRecordOf, unreadRecord } from '../record/record.ts'
import { countVanished } from './save-plan.ts'
import { readMarks } from './save-marks.ts'
import type { SaveOptions } from './save.ts'
import {
  type SnapshotReference,
  findLatest,
  readSnapshot,
  readSnapshotId,
  readSnapshotList,
} from '../snapshots/snapshots.ts'
import { checkStoreFormat } from '../snapshots/store-files.ts'
import type { TreePlace } from '../record/tree-place.ts'

/** What a save starts from. */
export interface Base {
  /** Only when it speaks of this archive, and of a snapshot that is there. */
  record: TreeRecord | undefined
  /** The history's newest snapshot at the start. */
  latest: SnapshotReference | undefined
  /** The state that the tree is compared with; its chunks are in the store. */
  manifest: Manifest | undefined
  /** A file of the manifest whose ctime is older has not been touched since; 0 where times vouch for nothing. */
  watermark: number
  /** The directory's own past is unknown: what it lacks may never have been there. */
  additive: boolean
  /** The state of the directory that the history is known to hold: where the history went on, the two are merged from there. */
  ancestor: Manifest | undefined
  /** The directory lacks what the history has got since. */
  apart: boolean
  /** Its last save may not be in the history yet. */
  pending: boolean
  /** The history is not what this directory was made from: the save goes beside it. */
  diverged: boolean
  /** The snapshot that the directory's state relies on, where the store has it no longer. */
  lost?: string
  /** Ids of this directory's saves that were cut, or whose end was not recorded. */
  marks: string[]
}

/** Reads the record, the index and the history's newest snapshot; refuses a restore that never finished. */
export async function openBase(options: SaveOptions, place: TreePlace): Promise<Base> {
  const { store, signal, name } = options
  const record = await readRecordOf(place)
  if (record !== undefined && !record.complete && record.archive === name)
    throw incompleteRestore(options)
  warnOfOtherName(options, record)
  const [, latest] = await Promise.all([
    checkStoreFormat(store, { signal }),
    findLatest(store, name, { signal }),
  ])
  const own = record?.archive === name && record.store === store.url ? record : undefined
  const marks = readMarks(place)
  if (latest === undefined) return { ...unknownPast, ancestor: NOTHING, latest, marks }
  const adopted = await adoptCommit(options, place, { latest, own, marks })
  if (adopted === undefined && own === undefined) return startFromLatest(options, { latest, marks })
  const started = adopted ?? (await startFromRecord(options, place, own as TreeRecord))
  if (started === undefined)
    return {
      ...(await startFromLatest(options, { latest, marks })),
      ancestor: undefined,
      additive: false,
      apart: true,
      diverged: true,
      lost: holderOf(own as TreeRecord).snapshot,
    }
  const { manifest, watermark } = started
  if (manifest === undefined) return startFromLatest(options, { latest, marks })
  const ancestry = await findAncestor(options, place, {
    record: started.record,
    latest,
    manifest,
  })
  return {
    record: started.record,
    latest,
    manifest,
    watermark,
    additive: started.record.additive,
    ...ancestry,
    pending:
      (ancestry.pending && !isKeptBeside(options, ancestry.ancestor, manifest)) ||
      isAccepted(options, started.record, ancestry),
    diverged: ancestry.apart && ancestry.ancestor === undefined,
    marks,
  }
}

/** A mistyped name begins an archive, and the next save under the right one knows nothing of the directory's past. */
function warnOfOtherName(
  { name, directory, onNote }: SaveOptions,
  record: TreeRecord | undefined,
): void {
  if (record === undefined || record.archive === name) return
  onNote?.(
    'warn',
    `\`${directory}\` belonged to \`${record.archive}\`, and from now on to \`${name}\`: if that is not meant, save it as \`${record.archive}\` again`,
  )
}

/** What went beside the history because too much of it had vanished stays there until that is accepted. */
function isKeptBeside(
  { acceptVanished }: SaveOptions,
  ancestor: Manifest | undefined,
  manifest: Manifest,
): boolean {
  if (ancestor === undefined || acceptVanished === true) return false
  const { vanished, entries } = countVanished(manifest, ancestor)
  return vanished * 2 > entries
}

/** What lies beside the history, it is not known why, becomes its newest when a user says so. */
function isAccepted(
  { acceptVanished }: SaveOptions,
  { sibling }: TreeRecord,
  { ancestor, apart }: Ancestry,
): boolean {
  return acceptVanished === true && sibling !== '' && ancestor === undefined && !apart
}

const unknownPast = {
  record: undefined,
  manifest: undefined,
  ancestor: undefined,
  watermark: 0,
  additive: false,
  apart: false,
  pending: false,
  diverged: false,
}

interface Known {
  latest: SnapshotReference
  own?: TreeRecord | undefined
  marks: string[]
}

interface Started {
  record: TreeRecord
  /** The directory's own state; `undefined` where that is lost, and no snapshot holds it by itself. */
  manifest: Manifest | undefined
  watermark: number
}

/** `undefined` when the snapshot that the record relies on is not there. */
async function startFromRecord(
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
function holderOf(record: TreeRecord): { snapshot: string; holder: string } {
  return record.sibling === ''
    ? { snapshot: record.snapshot, holder: record.merged ?? record.id }
    : { snapshot: record.sibling, holder: record.id }
}

async function startFromLatest(options: SaveOptions, { latest, marks }: Known): Promise<Base> {
  const manifest = await tryReadSnapshot(options, latest.name)
  if (manifest !== undefined)
    return { ...unknownPast, ancestor: manifest, latest, manifest, additive: true, marks }
  options.onNote?.(
    'warn',
    `the newest snapshot of \`${options.name}\`, ${latest.name}, can't be read: all is saved anew, beside it`,
  )
  return { ...unknownPast, latest, apart: true, diverged: true, marks }
}

// A save that was killed is looked for among so many of the newest.
const ADOPTED_AMONG = 10

/**
 * A save that was killed between its commit and its record: a snapshot of the history is this directory's own, or what it was merged
 * into. What has not been touched since the record before it was then as it is now.
 */
async function adoptCommit(
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
async function tryReadSnapshot(
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

/** The snapshot whose chunks the manifest of a base names; it was there when the base was read. */
export function baseSnapshot({
  record,
  latest,
  manifest,
}: Base): { name: string; id: string } | undefined {
  if (manifest === undefined) return undefined
  if (record === undefined) return { name: latest?.name ?? '', id: manifest.id }
  const { snapshot, holder } = holderOf(record)
  return { name: snapshot, id: holder }
}

/** Of the snapshot that holds a directory that is as its base: the history's that it was merged into, where it was. */
export function heldGeneration(
  { record }: Base,
  { generation }: Pick<Manifest, 'generation'>,
): number {
  if (record?.merged === undefined) return generation
  return Math.max(generation, parseSnapshotName(record.snapshot)?.generation ?? 0)
}

function incompleteRestore({ directory, name }: SaveOptions): BerthError {
  return new BerthError(
    'archive/incomplete-restore',
    `could not save \`${directory}\`: its restore from \`${name}\` began and did not finish`,
    {
      hint: 'boot again to finish the restore. Nothing was saved, so the archive keeps what this directory lacks',
    },
  )
}
