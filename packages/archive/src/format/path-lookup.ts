import type { TreePath } from './tree.ts'

/**
 * Finds entries by path, for a caller that asks in nearly the same order: the next one is looked at first, and the table of all paths
 * is made only when that fails.
 */
export function createLookup<Entry extends { path: TreePath }>(
  entries: readonly Entry[],
): (path: TreePath) => Entry | undefined {
  let next = 0
  let numbers: Map<TreePath, number> | undefined
  return (path) => {
    const expected = entries[next]
    if (expected?.path === path) {
      next++
      return expected
    }
    numbers ??= new Map(entries.map((entry, index) => [entry.path, index]))
    const found = numbers.get(path)
    if (found === undefined) return undefined
    next = found + 1
    return entries[found]
  }
}
