import type { StoredFile } from './manifest.ts'
import { type Tree, type TreePath, parentPath } from './tree.ts'

/** Parents before children and files directory by directory, as a manifest wants them. */
export function sortTree(tree: Tree<StoredFile>): Tree<StoredFile> {
  const directories = sortDirectories(tree.directories)
  const order = new Map(directories.map((entry, index) => [entry.path, index]))
  return { ...tree, directories, files: sortFiles(tree.files, order) }
}

/** A scan's come in this order. */
function sortDirectories(directories: Tree['directories']): Tree['directories'] {
  const keys = directories.map((entry) => ({ entry, key: sortKey(entry.path) }))
  if (keys.every(({ key }, index) => index === 0 || (keys[index - 1]?.key ?? '') < key))
    return directories
  return keys.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ entry }) => entry)
}

/** Depth first: `a`, `a/b`, `a.txt`, whatever the code of `/` is. */
function sortKey(path: TreePath): string {
  return path.includes('/') ? path.replaceAll('/', '\0') : path
}

function sortFiles(
  files: readonly StoredFile[],
  order: ReadonlyMap<TreePath, number>,
): StoredFile[] {
  let directory = ''
  let number = order.get('') ?? 0
  const keyed = files.map((file) => {
    const { path } = file
    const isBeside =
      path.lastIndexOf('/') === directory.length && directory !== '' && path.startsWith(directory)
    if (!isBeside) {
      directory = parentPath(path)
      number = order.get(directory) ?? 0
    }
    return { file, number }
  })
  keyed.sort((a, b) => a.number - b.number || (a.file.path < b.file.path ? -1 : 1))
  return keyed.map(({ file }) => file)
}
