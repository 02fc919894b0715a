import type { TreeColumns } from './manifest-columns.ts'
import { type TreePath, joinPath } from './tree.ts'

/** The files of a tree one after another, for whoever looks through all and keeps a few: an object for each takes 50 MB. */
export function* eachFile(
  columns: TreeColumns,
): Iterable<{ path: TreePath; size: number; mtime: number }> {
  const { starts, names, size, mtime } = columns.files
  const pathOf = createPaths(columns)
  for (let directory = 0; directory + 1 < starts.length; directory++) {
    const end = starts[directory + 1] as number
    for (let file = starts[directory] as number; file < end; file++)
      yield {
        path: pathOf(directory, names.at(file)),
        size: size[file] as number,
        mtime: mtime[file] as number,
      }
  }
}

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
