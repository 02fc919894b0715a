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
}: TreeColumns): (directory: number, name: string) => TreePath {
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
