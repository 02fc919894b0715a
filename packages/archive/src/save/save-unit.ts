import { unitOf } from '../format/group.ts'
import { type Tree, type TreePath, baseName, parentPath } from '../format/tree.ts'

// lib/python3.11/site-packages below the environment itself.
const PACKAGES = /^(.*?)(?:(?:^|\/)lib(?:64)?\/python[^/]*)?(?:^|\/)(?:site|dist)-packages(?:\/|$)/

/**
 * Tells what a path belongs to that is only saved as a whole when the time is short: an environment, because a half-installed set of
 * packages is worse than the old one; a custom node; else a directory of the second level. What a hard link joins belongs together.
 */
export function createSaveUnits(trees: readonly Tree[]): (path: TreePath) => TreePath {
  const environments = new Set<TreePath>()
  for (const { files } of trees)
    for (const { path } of files)
      if (baseName(path) === 'pyvenv.cfg') environments.add(parentPath(path))
  const ownUnit = (path: TreePath): TreePath => {
    if (environments.has('')) return ''
    for (let at = path; at !== ''; at = parentPath(at)) if (environments.has(at)) return at
    const packages = PACKAGES.exec(path)
    return packages === null ? unitOf(path) : (packages[1] ?? '')
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
