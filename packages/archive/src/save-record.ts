import type { Committed } from './commit.ts'
import type { Manifest } from './manifest.ts'
import { isIntended } from './exclude.ts'
import { writeRecord } from './record.ts'
import type { Base } from './save-base.ts'
import type { SaveOptions } from './save.ts'
import type { LeftOut } from './tree.ts'

/** What the records of a save need to know of it. */
export interface SaveFrame {
  options: SaveOptions
  state: string
  base: Base
  watermark: number
}

/** Records a snapshot; a sibling leaves the directory's place in the history as it was. */
export async function recordSaved(
  save: SaveFrame,
  saved: { manifest: Manifest; committed: Committed; additive: boolean },
): Promise<void> {
  const { manifest, committed } = saved
  const history = committed.sibling && save.base.record !== undefined ? save.base.record : undefined
  await writeRecord(save.state, {
    record: {
      archive: save.options.name,
      store: save.options.store.url,
      snapshot:
        history?.snapshot ?? (committed.sibling ? (save.base.latest ?? '') : committed.name),
      generation: history?.generation ?? manifest.generation,
      id: manifest.id,
      complete: true,
      additive: saved.additive,
      sibling: committed.sibling ? committed.name : '',
      watermark: save.watermark,
      writtenAt: new Date().toISOString(),
    },
    index: manifest,
  })
}

/** Moves the watermark on, so that files that were suspects this time are vouched for the next time. */
export async function recordUnchanged(save: SaveFrame, additive: boolean): Promise<void> {
  const { record, manifest, latest } = save.base
  if (manifest === undefined) return
  await writeRecord(save.state, {
    record: {
      archive: save.options.name,
      store: save.options.store.url,
      snapshot: record?.snapshot ?? latest ?? '',
      generation: record?.generation ?? manifest.generation,
      id: manifest.id,
      complete: true,
      additive,
      sibling: record?.sibling ?? '',
      watermark: save.watermark,
      writtenAt: new Date().toISOString(),
    },
    index: manifest,
  })
}

// Of hundreds of sockets nobody reads the last.
const NAMED_AT_MOST = 10

interface SavedFacts {
  committed: Committed
  /** Files that could not be read whole. */
  missed: readonly LeftOut[]
  /** What the scan left out. */
  skipped: readonly LeftOut[]
  vanished: number
  entries: number
}

/** Says what was not saved, of what is never saved only what is new, and why a snapshot lies beside the history. */
export function announce({ options, base }: SaveFrame, facts: SavedFacts): void {
  const note = options.onNote ?? (() => {})
  const known = new Set(base.manifest?.tree.leftOut.map(({ path }) => path))
  const fresh = facts.skipped.filter((entry) => !known.has(entry.path) && !isIntended(entry))
  for (const { path, reason } of [...facts.missed, ...fresh.slice(0, NAMED_AT_MOST)])
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
