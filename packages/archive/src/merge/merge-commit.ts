import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { isBerthError } from '@berth/core/error'
import { besideName, putBeside, putInHistory } from './commit-put.ts'
import { isInLate } from '../format/late.ts'
import type { Chunk, Manifest, MergeNote } from '../format/manifest.ts'
import { renumber } from './merge-entries.ts'
import { followMoves } from './moved-content.ts'
import { type MergedTree, mergeTrees } from './merge-tree.ts'
import type { UnitKind } from './merge-unit.ts'
import type { ArchiveOptions } from '../options.ts'
import type { TreePath } from '../format/tree.ts'
import { type SnapshotReference, findLatest, readSnapshot } from '../snapshots/snapshots.ts'

/** A save, and what it was made from. */
export interface Divided {
  /** The state of the saved tree that the history is known to hold. */
  ancestor: Manifest
  mine: Manifest
  /** Called before a merged snapshot is put: from then on it may be there. */
  onAttempt: (merged: Manifest) => Promise<void>
}

/** How a save came into the history although that had gone on meanwhile. */
export interface Merged {
  /** The history's newest snapshot, by name. */
  name: string
  manifest: Manifest
  /** It was made of both; otherwise nothing of the save could be taken, and all of it lies beside the history. */
  isNew: boolean
  /** The history's snapshot is the saved tree and nothing else. */
  isMine: boolean
  /** Holds the saved tree as it is, because part of it is not in the history. */
  beside: string | undefined
  conflicts: (MergeNote['conflicts'][number] & { kind: UnitKind })[]
}

const ATTEMPTS = 5
const LONGEST_WAIT_MS = 400
// A note, not a list: whoever wants all compares the snapshots.
const NOTED_AT_MOST = 100

/**
 * Merges a save into the newest snapshot of the history, and that into the next one where it has gone on again. The snapshots beside
 * the history that keep what is not taken come first. Answers `undefined` when it can't be merged: five others were faster, or the
 * history can't be read.
 */
export async function mergeIntoHistory(
  options: ArchiveOptions,
  divided: Divided,
): Promise<Merged | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // Those that were refused together would otherwise try again together.
    if (attempt > 0)
      await setTimeout(Math.random() * LONGEST_WAIT_MS, undefined, { signal: options.signal })
    const { store, name, signal } = options
    const latest = await findLatest(store, name, { signal })
    const theirs = latest && (await tryRead(options, latest.name))
    if (latest === undefined || theirs === undefined) return undefined
    const merged = await mergeOnce(options, divided, { latest, theirs })
    if (merged !== undefined) return merged
  }
  return undefined
}

async function tryRead(
  { store, name, signal }: ArchiveOptions,
  snapshot: string,
): Promise<Manifest | undefined> {
  try {
    return await readSnapshot(store, name, snapshot, { signal })
  } catch (error) {
    if (isBerthError(error) && error.code.startsWith('archive/')) return undefined
    throw error
  }
}

async function mergeOnce(
  options: ArchiveOptions,
  { ancestor, mine, onAttempt }: Divided,
  { latest, theirs }: { latest: SnapshotReference; theirs: Manifest },
): Promise<Merged | undefined> {
  const trees = [ancestor, mine] as const
  const [base, ours] = await followMoves(
    options.store,
    { trees, to: theirs },
    { signal: options.signal },
  )
  const merged = mergeTrees({ base, mine: ours, theirs }, options.name)
  const losesMine = merged.conflicts.some(({ lost }) => lost === 'mine')
  const conflicts = merged.conflicts.map(({ unit, lost }) => ({
    path: unit.path,
    kind: unit.kind,
    // The history keeps what it had under its generation; a custom node is worth more than that.
    snapshot:
      lost === 'mine' ? besideName(mine) : unit.kind === 'path' ? latest.name : besideName(theirs),
  }))
  if (losesMine) await putBeside(options, mine)
  if (conflicts.some(({ snapshot }) => snapshot === besideName(theirs)))
    await putBeside(options, theirs)
  const beside = losesMine ? besideName(mine) : undefined
  if (merged.equals.theirs && losesMine)
    return { name: latest.name, manifest: theirs, isNew: false, isMine: false, beside, conflicts }
  const manifest = createMerged({ mine, theirs, merged }, { with: latest.name, conflicts })
  await onAttempt(manifest)
  const name = await putInHistory(options, manifest)
  if (name === undefined) return undefined
  return { name, manifest, isNew: true, isMine: merged.equals.mine, beside, conflicts }
}

interface Merging {
  mine: Manifest
  theirs: Manifest
  merged: MergedTree
}

function createMerged(
  { mine, theirs, merged }: Merging,
  note: Pick<MergeNote, 'with'> & { conflicts: Merged['conflicts'] },
): Manifest {
  const { archive, created, pod, additive } = mine
  const venvs = new Map(
    [...theirs.venvs, ...mine.venvs].flatMap((venv) => {
      const side = merged.sideOf(venv.path === '' ? 'pyvenv.cfg' : `${venv.path}/pyvenv.cfg`)
      return (side === 'mine' ? mine : theirs).venvs.includes(venv) ? [[venv.path, venv]] : []
    }),
  )
  const conflicts = note.conflicts
    .slice(0, NOTED_AT_MOST)
    .map(({ path, snapshot }) => ({ path, snapshot }))
  return {
    id: randomBytes(8).toString('hex'),
    archive,
    generation: theirs.generation + 1,
    parent: theirs.id,
    created,
    pod,
    additive,
    ancestors: ancestorsOf(theirs, mine.id),
    merged: { with: note.with, conflicts },
    ...lateOf({ mine, theirs, merged }),
    venvs: [...venvs.values()],
    ...dropUnused(merged, mine.chunks.length),
  }
}

/** Of theirs what this save brings is there now. */
function lateOf({ mine, theirs, merged }: Merging): Pick<Manifest, 'late'> {
  const isMine = (path: TreePath): boolean => merged.sideOf(path) === 'mine'
  const brought = theirs.late === undefined ? [] : pathsOf(mine).filter(isMine)
  const missing = (theirs.late ?? []).filter(
    (unit) => !brought.some((path) => isInLate(unit, path)),
  )
  const late = [...new Set([...(mine.late ?? []), ...missing])].toSorted()
  return late.length === 0 ? {} : { late }
}

function pathsOf({ tree: { files, links, hardLinks } }: Manifest): TreePath[] {
  return [...files, ...links, ...hardLinks].map(({ path }) => path)
}

/** Without the chunks that the tree does not use. Of mine all stay: the next save of that tree relies on them. */
function dropUnused({ tree, chunks }: MergedTree, mine: number): Pick<Manifest, 'tree' | 'chunks'> {
  const used = new Set(
    tree.files.flatMap(({ place }) =>
      place.kind === 'group' ? [place.chunk] : place.kind === 'segments' ? place.chunks : [],
    ),
  )
  const kept: Chunk[] = []
  const numbers = chunks.map((chunk, number) =>
    number < mine || used.has(number) ? kept.push(chunk) - 1 : -1,
  )
  return { tree: renumber(tree, numbers), chunks: kept }
}

const ANCESTORS = 64

/** Of a snapshot that is made from this one, and of others. */
export function ancestorsOf(parent: Manifest, ...more: string[]): string[] {
  return [...new Set([parent.id, ...more, ...(parent.ancestors ?? [])])].slice(0, ANCESTORS)
}
