import type { StoredFile } from '../format/manifest.ts'
import { sortTree } from '../format/sort-tree.ts'
import {
  type HardLinkEntry,
  type LeftOut,
  type Tree,
  type TreePath,
  parentPath,
} from '../format/tree.ts'

/**
 * The tree together with those entries that only the base has, where `wanted` says so. What the tree has decides; what would lie below
 * one of its files or links is left away. Answers how many were added.
 */
export function addMissing(
  tree: Tree<StoredFile>,
  base: Tree<StoredFile>,
  wanted: (path: TreePath) => boolean,
): { tree: Tree<StoredFile>; added: number } {
  const directories = new Set(tree.directories.map((entry) => entry.path))
  const taken = new Set(
    [...tree.files, ...tree.links, ...tree.hardLinks].map((entry) => entry.path),
  )
  const isMissing = ({ path }: { path: TreePath }): boolean =>
    !taken.has(path) && !directories.has(path) && directories.has(parentPath(path)) && wanted(path)
  const missingDirectories = base.directories.filter((entry) => {
    if (!isMissing(entry)) return false
    directories.add(entry.path)
    return true
  })
  const files = base.files.filter(isMissing)
  const links = base.links.filter(isMissing)
  const further = nameAnew(base, files, base.hardLinks.filter(isMissing))
  return {
    tree: sortTree({
      directories: [...tree.directories, ...missingDirectories],
      files: [...tree.files, ...files, ...further.files],
      links: [...tree.links, ...links],
      hardLinks: [...tree.hardLinks, ...further.hardLinks],
      leftOut: tree.leftOut,
    }),
    added:
      missingDirectories.length +
      files.length +
      links.length +
      further.files.length +
      further.hardLinks.length,
  }
}

/** Further names of a file whose first name the tree has anew, with another content: the first of them stands for the old file. */
function nameAnew(
  base: Tree<StoredFile>,
  added: readonly StoredFile[],
  links: readonly HardLinkEntry[],
): { files: StoredFile[]; hardLinks: HardLinkEntry[] } {
  if (links.length === 0) return { files: [], hardLinks: [] }
  const names = new Map(added.map(({ path }) => [path, path]))
  const originals = new Map(base.files.map((file) => [file.path, file]))
  const files: StoredFile[] = []
  const hardLinks: HardLinkEntry[] = []
  for (const { path, to } of links) {
    const name = names.get(to)
    const original = originals.get(to)
    if (name !== undefined) hardLinks.push({ path, to: name })
    else if (original !== undefined) {
      files.push({ ...original, path, place: memberPlace(original) })
      names.set(to, path)
    }
  }
  return { files, hardLinks }
}

/** Its name in the tar is another than its path now. */
function memberPlace({ path, place }: StoredFile): StoredFile['place'] {
  return place.kind === 'group' ? { ...place, member: place.member ?? path } : place
}

/** Says whether a path, or a directory above it, could not be read: what the base knows of it is no deletion. */
export function unreadPaths(leftOut: readonly LeftOut[]): (path: TreePath) => boolean {
  const unread = new Set(leftOut.flatMap((entry) => (entry.unread ? [entry.path] : [])))
  return (path) => {
    for (let at = path; at !== ''; at = parentPath(at)) if (unread.has(at)) return true
    return false
  }
}
