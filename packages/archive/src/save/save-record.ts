import type { Committed } from '../merge/commit.ts'
import { asDiskError } from '../restore/disk-error.ts'
import { isIntended } from '../scan/exclude-rules.ts'
import { type Manifest, leftOutOf } from '../format/manifest.ts'
import { keepAncestor } from '../merge/merge-base.ts'
import type { Merged } from '../merge/merge-commit.ts'
import { announceMerge } from '../merge/merge-note.ts'
import { type TreeRecord, unreadRecord, writeRecord } from '../record/record.ts'
import { type Rewritten, recorded } from '../venv/rewritten.ts'
import type { Base } from './save-base.ts'
import { dropMarks, forgetMarks } from './save-marks.ts'
import type { SaveOptions } from './save.ts'
import { announceSibling } from './sibling-note.ts'
import type { TreePlace } from '../record/tree-place.ts'
import type { LeftOut } from '../format/tree.ts'

/** What the records of a save need to know of it. */
export interface SaveFrame {
  options: SaveOptions
  place: TreePlace
  /** The directory's at the start. */
  identity: string
  base: Base
  /** Of the snapshot that is made. */
  id: string
  watermark: number
  /** What the tree still is as a restore adapted it. */
  rewritten: Rewritten
}

interface Saved {
  manifest: Manifest
  committed: Committed
  additive: boolean
  /** Ids of the merged snapshots that were tried. */
  attempts: readonly string[]
}

type RecordedState = Pick<TreeRecord, 'snapshot' | 'generation' | 'sibling' | 'additive'> &
  Partial<Pick<TreeRecord, 'merged' | 'ancestor'>>

/** Records what the directory is now, and what of it the history holds. */
export async function recordSaved(save: SaveFrame, saved: Saved): Promise<void> {
  const { manifest, committed, additive, attempts } = saved
  const { merged } = committed
  if (merged?.isMine === true) {
    const state = { ...inHistory(save, merged.name, merged.manifest), additive }
    return recordOrWarn(save, state, { index: merged.manifest, attempts })
  }
  const state = merged === undefined ? plainState(save, saved) : mergedState(save, merged)
  await recordOrWarn(save, { ...state, additive }, { index: manifest, attempts })
}

type Placed = Omit<RecordedState, 'additive'>

function plainState(save: SaveFrame, { manifest, committed }: Saved): Placed {
  if (!committed.sibling) return inHistory(save, committed.name, manifest)
  // The directory's place in the history is what it was.
  return { ...placeBefore(save), sibling: committed.name, ...withAncestor(save) }
}

/** The directory has nothing of what others saved, so that its generation is the one before. */
function mergedState(save: SaveFrame, merged: Merged): Placed {
  return {
    ...placeBefore(save),
    snapshot: merged.name,
    merged: merged.manifest.id,
    sibling: merged.beside ?? '',
    ...(merged.isNew && isUnsure(merged.name) ? withAncestor(save) : {}),
  }
}

function inHistory(save: SaveFrame, name: string, { generation }: Manifest): Placed {
  const ancestor = isUnsure(name) ? withAncestor(save) : {}
  return { snapshot: name, generation, sibling: '', ...ancestor }
}

function placeBefore({ base }: SaveFrame): { snapshot: string; generation: number } {
  const { record, latest } = base
  return {
    snapshot: record?.snapshot ?? latest?.name ?? '',
    generation: record?.generation ?? latest?.generation ?? 0,
  }
}

/** Without conditional writes, another snapshot may yet take the generation. */
function isUnsure(name: string): boolean {
  return name.includes('-')
}

function withAncestor({ base }: SaveFrame): Partial<Pick<TreeRecord, 'ancestor'>> {
  const { record, ancestor, manifest } = base
  if (ancestor === undefined) return {}
  const kept = ancestor.id === record?.ancestor?.id ? record.ancestor : undefined
  const holder = record === undefined ? manifest?.id : (record.merged ?? record.id)
  return { ancestor: kept ?? { id: ancestor.id, holder: holder ?? '' } }
}

/** Moves the watermark on, so that files that were suspects this time are vouched for the next time. */
export async function recordUnchanged(save: SaveFrame, additive: boolean): Promise<void> {
  const { record, manifest, latest } = save.base
  if (manifest === undefined) return
  await recordOrWarn(
    save,
    {
      snapshot: record?.snapshot ?? latest?.name ?? '',
      generation: record?.generation ?? manifest.generation,
      sibling: record?.sibling ?? '',
      additive,
      ...(record?.merged === undefined ? {} : { merged: record.merged }),
      ...(record?.ancestor === undefined ? {} : { ancestor: record.ancestor }),
    },
    { index: manifest, attempts: [] },
  )
}

/** What is in the store is saved, whether or not this disk has room for a note of it: the marks then say whose it is. */
async function recordOrWarn(
  { options, place, base, id, watermark, rewritten }: SaveFrame,
  state: RecordedState,
  { index, attempts }: { index: Manifest; attempts: readonly string[] },
): Promise<void> {
  const record: TreeRecord = {
    ...unreadRecord(options),
    ...state,
    id: index.id,
    complete: true,
    watermark,
    ...recorded(rewritten),
  }
  try {
    const { ancestor } = base
    if (ancestor !== undefined && state.ancestor?.id === ancestor.id)
      await keepAncestor(place, ancestor)
    await writeRecord(place.state, record, index)
    if (state.ancestor === undefined) await keepAncestor(place, undefined)
    forgetMarks(place, [...base.marks, id, ...attempts])
  } catch (error) {
    if (index.id !== base.manifest?.id) dropMarks(place, base.marks)
    const { message } = asDiskError(error, `record the save of \`${options.directory}\``) as Error
    options.onNote?.('warn', `${message}; it is saved, and the next save takes longer`)
  }
}

// Of hundreds of sockets nobody reads the last.
const NAMED_AT_MOST = 10

interface SavedFacts {
  committed: Committed
  leftOut: readonly LeftOut[]
  vanished: number
  entries: number
}

/** Says what was not saved, of what is never saved only what is new, and why a snapshot lies beside the history. */
export function announce({ options, base }: SaveFrame, facts: SavedFacts): void {
  const note = options.onNote ?? (() => {})
  const known = new Set(base.manifest && leftOutOf(base.manifest).map(({ path }) => path))
  const missed = facts.leftOut.filter(({ unread }) => unread)
  const fresh = facts.leftOut.filter(
    (entry) => !entry.unread && !known.has(entry.path) && !isIntended(entry),
  )
  for (const { path, reason } of [...missed, ...fresh.slice(0, NAMED_AT_MOST)])
    note('warn', `\`${path}\` was not saved: ${reason}`)
  if (fresh.length > NAMED_AT_MOST)
    note('warn', `${fresh.length - NAMED_AT_MOST} more were not saved; the manifest names them`)
  if (facts.committed.merged !== undefined) announceMerge(options, facts.committed.merged)
  else if (facts.committed.sibling)
    announceSibling({ options, base }, { ...facts, snapshot: facts.committed.name })
}
