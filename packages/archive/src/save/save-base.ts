import { BerthError } from '@berth/core/error'
import { parseSnapshotName } from '../format/format.ts'
import type { Manifest } from '../format/manifest.ts'
import { type Ancestry, NOTHING, findAncestor } from '../merge/merge-base.ts'
import { type TreeRecord, readRecordOf } from '../record/record.ts'
import {
  type Known,
  adoptCommit,
  holderOf,
  startFromRecord,
  tryReadSnapshot,
} from './base-start.ts'
import { countVanished } from './save-plan.ts'
import { readMarks } from './save-marks.ts'
import type { SaveOptions } from './save.ts'
import { type SnapshotReference, findLatest } from '../snapshots/snapshots.ts'
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
    throw incompleteRestore(options, record)
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

function incompleteRestore({ directory, name }: SaveOptions, { snapshot }: TreeRecord): BerthError {
  if (snapshot === '') {
    return new BerthError(
      'archive/incomplete-restore',
      `could not save \`${directory}\`: nothing was restored to it from \`${name}\`: the restore failed, or was cut`,
      {
        hint: 'cure what the restore failed with (`berth report` says it), and boot again. Nothing was saved, so the archive keeps what this directory lacks',
      },
    )
  }
  return new BerthError(
    'archive/incomplete-restore',
    `could not save \`${directory}\`: its restore from \`${name}\` began and did not finish`,
    {
      hint: 'boot again to finish the restore. Nothing was saved, so the archive keeps what this directory lacks',
    },
  )
}
