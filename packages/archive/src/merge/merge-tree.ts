import { assembleMerged } from './merge-entries.ts'
import { type StoredTree, type UnitState, readUnits } from './merge-state.ts'
import { type Unit, createUnits } from './merge-unit.ts'
import type { Chunk, StoredFile } from '../format/manifest.ts'
import type { Tree, TreePath } from '../format/tree.ts'

/** Three states of one tree: two that were made from a third. */
export interface ThreeTrees {
  base: StoredTree
  mine: StoredTree
  theirs: StoredTree
}

/** A unit that both sides changed, each in its own way. */
export interface MergeConflict {
  unit: Unit
  /** Whose is not in the merged tree. */
  lost: Side
}

export type Side = 'mine' | 'theirs'

export interface MergedTree {
  tree: Tree<StoredFile>
  /** Those of my tree first, whether or not the merged tree uses them, then those that only theirs has. */
  chunks: Chunk[]
  conflicts: MergeConflict[]
  /** It would be restored as my tree would, or as theirs. */
  equals: Record<Side, boolean>
  /** Which side a path was taken from. */
  sideOf: (path: TreePath) => Side
}

/**
 * Merges two states of a tree unit by unit. A unit that one side changed, added or removed is as that side has it; one that a side
 * removed and the other changed stays. Of one that both changed mine is taken, because it is the later; of an environment theirs,
 * because it is the history's, and never a mixture of two. The same trees always give the same answer.
 */
export function mergeTrees({ base, mine, theirs }: ThreeTrees, archive: string): MergedTree {
  const unitOf = createUnits([base.tree, mine.tree, theirs.tree], archive)
  const [before, ours, others] = [base, mine, theirs].map((side) => readUnits(side, unitOf)) as [
    Units,
    Units,
    Units,
  ]
  const taken: Record<Side, TreePath[]> = { mine: [], theirs: [] }
  const conflicts: MergeConflict[] = []
  const equals = { mine: true, theirs: true }
  for (const path of new Set([...ours.keys(), ...others.keys()])) {
    const [mineState, theirState] = [ours.get(path), others.get(path)]
    const unit = (mineState ?? theirState)?.unit as Unit
    const choice = chooseSide(unit, {
      before: before.get(path),
      ours: mineState,
      others: theirState,
    })
    const chosen = choice.side === 'mine' ? mineState : theirState
    if (choice.lost !== undefined) conflicts.push({ unit, lost: choice.lost })
    if (chosen?.whole !== mineState?.whole) equals.mine = false
    if (chosen?.whole !== theirState?.whole) equals.theirs = false
    for (const each of chosen?.paths ?? []) taken[choice.side].push(each)
  }
  const assembled = assembleMerged({ mine, theirs, taken })
  for (const path of assembled.displaced) {
    conflicts.push({ unit: unitOf(path), lost: 'theirs' })
    equals.theirs = false
  }
  const fromTheirs = new Set(taken.theirs)
  return {
    tree: assembled.tree,
    chunks: assembled.chunks,
    conflicts: distinct(conflicts),
    equals,
    sideOf: (path) => (fromTheirs.has(path) ? 'theirs' : 'mine'),
  }
}

type Units = Map<TreePath, UnitState>

interface UnitStates {
  before: UnitState | undefined
  ours: UnitState | undefined
  others: UnitState | undefined
}

/** Which side's state of a unit is taken, its absence too. */
function chooseSide(unit: Unit, { before, ours, others }: UnitStates): { side: Side; lost?: Side } {
  const [mineChanged, theirsChanged] = [ours, others].map(
    (side) => side?.content !== before?.content,
  )
  if (!mineChanged && !theirsChanged)
    return { side: ours?.whole === before?.whole ? 'theirs' : 'mine' }
  if (!mineChanged) return { side: 'theirs' }
  if (!theirsChanged) return { side: 'mine' }
  if (ours?.content === others?.content || ours === undefined) return { side: 'theirs' }
  if (others === undefined) return { side: 'mine' }
  return unit.kind === 'environment'
    ? { side: 'theirs', lost: 'mine' }
    : { side: 'mine', lost: 'theirs' }
}

function distinct(conflicts: readonly MergeConflict[]): MergeConflict[] {
  const found = new Map(
    conflicts.map((conflict) => [`${conflict.lost} ${conflict.unit.path}`, conflict]),
  )
  return [...found.values()].toSorted((a, b) => (a.unit.path < b.unit.path ? -1 : 1))
}
