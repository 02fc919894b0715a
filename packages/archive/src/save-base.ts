import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BerthError, isBerthError } from '@berth/core/error'
import { CLOCK } from './clock.ts'
import type { Manifest } from './manifest.ts'
import { type TreeRecord, readIndex, readRecordOf, unreadRecord } from './record.ts'
import type { SaveOptions } from './save.ts'
import { type SnapshotReference, findLatest, readSnapshot, readSnapshotId } from './snapshots.ts'
import { checkStoreFormat } from './store-files.ts'
import type { TreePlace } from './tree-place.ts'

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
  /** The history is not what this directory was made from: the save goes beside it. */
  diverged: boolean
  /** Ids of this directory's saves that were cut, or whose end was not recorded. */
  marks: string[]
}

/** Reads the record, the index and the history's newest snapshot; refuses a restore that never finished. */
export async function openBase(options: SaveOptions, place: TreePlace): Promise<Base> {
  const { store, signal, name } = options
  const record = await readRecordOf(place)
  if (record !== undefined && !record.complete && record.archive === name)
    throw incompleteRestore(options)
  const [, latest] = await Promise.all([
    checkStoreFormat(store, { signal }),
    findLatest(store, name, { signal }),
  ])
  const own = record?.archive === name && record.store === store.url ? record : undefined
  const marks = readMarks(place)
  if (latest === undefined) return { ...unknownPast, latest, marks }
  const adopted = await adoptCommit(options, { latest, own, marks })
  if (adopted !== undefined) return adopted
  if (own === undefined) return startFromLatest(options, { latest, marks })
  // The chunks that the index speaks of are there as long as their snapshot is.
  const snapshot = own.sibling === '' ? own.snapshot : own.sibling
  const [id, index] = await Promise.all([
    readSnapshotId(store, name, snapshot, { signal }),
    readIndex(place.state, own),
  ])
  const manifest = id === own.id ? (index ?? (await tryReadSnapshot(options, snapshot))) : undefined
  if (manifest === undefined)
    return {
      ...(await startFromLatest(options, { latest, marks })),
      additive: false,
      diverged: true,
    }
  return {
    record: own,
    latest,
    manifest,
    watermark: index === undefined ? 0 : own.watermark,
    additive: own.additive,
    diverged: own.snapshot !== latest.name,
    marks,
  }
}

const unknownPast = {
  record: undefined,
  manifest: undefined,
  watermark: 0,
  additive: false,
  diverged: false,
}

interface Known {
  latest: SnapshotReference
  own?: TreeRecord | undefined
  marks: string[]
}

async function startFromLatest(options: SaveOptions, { latest, marks }: Known): Promise<Base> {
  const manifest = await tryReadSnapshot(options, latest.name)
  if (manifest !== undefined) return { ...unknownPast, latest, manifest, additive: true, marks }
  options.onNote?.(
    'warn',
    `the newest snapshot of \`${options.name}\`, ${latest.name}, can't be read: all is saved anew, beside it`,
  )
  return { ...unknownPast, latest, diverged: true, marks }
}

/**
 * A save that was killed between its commit and its record: the history's newest snapshot is this directory's own. What has not been
 * touched since the record before it was then as it is now.
 */
async function adoptCommit(
  options: SaveOptions,
  { latest, own, marks }: Known,
): Promise<Base | undefined> {
  if (marks.length === 0 || own?.snapshot === latest.name) return undefined
  const manifest = await tryReadSnapshot(options, latest.name)
  if (manifest === undefined || !marks.includes(manifest.id)) return undefined
  const watermark = own?.watermark ?? 0
  const additive = manifest.additive || own?.additive === true
  const record: TreeRecord = {
    ...unreadRecord(options),
    snapshot: latest.name,
    generation: latest.generation,
    id: manifest.id,
    complete: true,
    additive,
    watermark,
  }
  return { record, latest, manifest, watermark, additive, diverged: false, marks }
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
  const name = record === undefined ? latest?.name : record.sibling || record.snapshot
  return { name: name ?? '', id: manifest.id }
}

const MARK = 'saving-'

/** Notes beside the directory that a snapshot with this id is about to be committed. */
export function markSave({ state }: TreePlace, id: string): void {
  try {
    writeFileSync(join(state, MARK + id), '')
  } catch {
    // A full disk must not keep anything from being saved, and to rename what is there takes no room.
    for (const spare of [CLOCK, ...readMarks({ state }).map((old) => MARK + old)])
      if (tryRename(join(state, spare), join(state, MARK + id))) return
  }
}

/** Without a mark a save is only beside the history if it is killed, or can't be recorded. */
function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch {
    return false
  }
}

/** Of snapshots that this directory has gone on from. */
export function dropMarks({ state }: TreePlace, ids: readonly string[]): void {
  for (const id of ids) rmSync(join(state, MARK + id), { force: true })
}

export function forgetMarks({ state }: TreePlace, ids: readonly string[]): void {
  for (const id of ids) rmSync(join(state, MARK + id), { force: true })
}

function readMarks({ state }: Pick<TreePlace, 'state'>): string[] {
  return readdirSync(state).flatMap((name) =>
    name.startsWith(MARK) ? [name.slice(MARK.length)] : [],
  )
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
