import { unitOf } from '../format/group.ts'
import type { Tree, TreePath } from '../format/tree.ts'
import { createUnits } from '../merge/merge-unit.ts'

/**
 * Tells what a path of an archive belongs to that is only saved as a whole when the time is short: what is merged as a whole, because
 * a half-installed set of packages, half a custom node or half a repository is worse than the old one; else a directory of the second
 * level. What a hard link joins belongs together.
 */
export function createSaveUnits(
  trees: readonly Tree[],
  archive: string,
): (path: TreePath) => TreePath {
  const wholeOf = createUnits(trees, archive)
  const ownUnit = (path: TreePath): TreePath => {
    const unit = wholeOf(path)
    if (unit.kind === 'path') return unitOf(path)
    // With the work tree that it speaks of, where that is not larger than other units.
    return unit.kind === 'git' ? unitOf(`${unit.path}/HEAD`) : unit.path
  }
  const joined = joinUnits(trees, ownUnit)
  return (path) => rootOf(joined, ownUnit(path))
}

function joinUnits(
  trees: readonly Tree[],
  unitOfPath: (path: TreePath) => TreePath,
): Map<TreePath, TreePath> {
  const joined = new Map<TreePath, TreePath>()
  for (const { hardLinks } of trees) {
    for (const { path, to } of hardLinks) {
      const [a, b] = [rootOf(joined, unitOfPath(path)), rootOf(joined, unitOfPath(to))]
      if (a !== b) joined.set(a, b)
    }
  }
  return joined
}

function rootOf(joined: ReadonlyMap<TreePath, TreePath>, unit: TreePath): TreePath {
  let root = unit
  for (let next = joined.get(root); next !== undefined; next = joined.get(root)) root = next
  return root
}
