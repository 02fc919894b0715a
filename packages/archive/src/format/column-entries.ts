import type { TreeColumns } from './manifest-columns.ts'
import { type TreePath, joinPath } from './tree.ts'

/** The links of a tree, one after another. */
export function* eachLink(
  columns: TreeColumns,
): Iterable<{ path: TreePath; target: string; mtime: number }> {
  const { directory, names, target, mtime } = columns.links
  const pathOf = createPaths(columns)
  for (const [index, name] of names.entries())
    yield {
      path: pathOf(directory[index] as number, name),
      target: target[index] as string,
      mtime: mtime[index] as number,
    }
}

/** Gives the path of an entry by the number of its directory. */
export function createPaths({
  directories: { names, parent },
}: Pick<TreeColumns, 'directories'>): (directory: number, name: string) => TreePath {
  const known = new Map<number, TreePath>([[0, '']])
  const pathOf = (directory: number): TreePath => {
    const path =
      known.get(directory) ??
      joinPath(pathOf(parent[directory] as number), names[directory] as string)
    known.set(directory, path)
    return path
  }
  return (directory, name) => joinPath(pathOf(directory), name)
}

/** The number of the directory that holds a file. */
export function directoryOf(starts: Int32Array, file: number): number {
  let low = 0
  let high = starts.length - 2
  // The last that begins at the file or before it: those before it with the same beginning hold none.
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] as number) <= file) low = middle
    else high = middle - 1
  }
  return low
}
