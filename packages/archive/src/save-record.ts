import type { Committed } from './commit.ts'
import { asDiskError } from './disk-error.ts'
import { isIntended } from './exclude-rules.ts'
import type { Manifest } from './manifest.ts'
import { type TreeRecord, unreadRecord, writeRecord } from './record.ts'
import { type Rewritten, recorded } from './rewritten.ts'
import { type Base, dropMarks, forgetMarks } from './save-base.ts'
import type { SaveOptions } from './save.ts'
import type { TreePlace } from './tree-place.ts'
import type { LeftOut } from './tree.ts'

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

/** Records a snapshot; a sibling leaves the directory's place in the history as it was. */
export async function recordSaved(
  save: SaveFrame,
  saved: { manifest: Manifest; committed: Committed; additive: boolean },
): Promise<void> {
  const { manifest, committed, additive } = saved
  const { record, latest } = save.base
  const history = committed.sibling
    ? {
        snapshot: record?.snapshot ?? latest?.name ?? '',
        generation: record?.generation ?? latest?.generation ?? 0,
      }
    : { snapshot: committed.name, generation: manifest.generation }
  const sibling = committed.sibling ? committed.name : ''
  await recordOrWarn(save, { ...history, sibling, additive }, manifest)
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
    },
    manifest,
  )
}

/** What is in the store is saved, whether or not this disk has room for a note of it: the marks then say whose it is. */
async function recordOrWarn(
  { options, place, base, id, watermark, rewritten }: SaveFrame,
  state: Pick<TreeRecord, 'snapshot' | 'generation' | 'sibling' | 'additive'>,
  index: Manifest,
): Promise<void> {
  const record = {
    ...unreadRecord(options),
    ...state,
    id: index.id,
    complete: true,
    watermark,
    ...recorded(rewritten),
  }
  try {
    await writeRecord(place.state, record, index)
    forgetMarks(place, [...base.marks, id])
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
  const known = new Set(base.manifest?.tree.leftOut.map(({ path }) => path))
  const missed = facts.leftOut.filter(({ unread }) => unread)
  const fresh = facts.leftOut.filter(
    (entry) => !entry.unread && !known.has(entry.path) && !isIntended(entry),
  )
  for (const { path, reason } of [...missed, ...fresh.slice(0, NAMED_AT_MOST)])
    note('warn', `\`${path}\` was not saved: ${reason}`)
  if (fresh.length > NAMED_AT_MOST)
    note('warn', `${fresh.length - NAMED_AT_MOST} more were not saved; the manifest names them`)
  if (!facts.committed.sibling) return
  const why =
    facts.vanished * 2 > facts.entries
      ? `${facts.vanished} of ${facts.entries} entries had vanished`
      : `another pod has saved \`${options.name}\` since generation ${base.record?.generation ?? base.manifest?.generation ?? 0}`
  note(
    'warn',
    `saved beside the history of \`${options.name}\` as \`${facts.committed.name}\`: ${why}`,
  )
}
