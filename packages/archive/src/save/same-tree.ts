import type { Place, StoredFile } from '../format/manifest.ts'
import { createLookup } from '../format/path-lookup.ts'
import type { LinkEntry, Tree } from '../format/tree.ts'

/**
 * Whether two trees would be restored alike. The mtimes of directories and links don't count by themselves: a temporary file that
 * came and went changes its directory's, and that alone is not worth a snapshot.
 */
export function isSameTree(a: Tree<StoredFile>, b: Tree<StoredFile>): boolean {
  return (
    isSameList(
      a.directories,
      b.directories,
      (x, y) => x.mode === y.mode && x.uid === y.uid && x.gid === y.gid,
    ) &&
    isSameList(a.files, b.files, isSameFile) &&
    isSameList(a.links, b.links, isSameLink) &&
    isSameList(a.hardLinks, b.hardLinks, (x, y) => x.to === y.to)
  )
}

export function isSameFile(a: StoredFile, b: StoredFile): boolean {
  return (
    a.size === b.size &&
    a.mtime === b.mtime &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    isSamePlace(a.place, b.place)
  )
}

export function isSameLink(a: LinkEntry, b: LinkEntry): boolean {
  return a.target === b.target && a.uid === b.uid && a.gid === b.gid
}

function isSamePlace(a: Place, b: Place): boolean {
  if (a.kind === 'segments' && b.kind === 'segments') return a.chunks.join() === b.chunks.join()
  if (a.kind === 'group' && b.kind === 'group')
    return a.chunk === b.chunk && a.frame === b.frame && a.offset === b.offset
  return a.kind === b.kind
}

function isSameList<Entry extends { path: string }>(
  a: readonly Entry[],
  b: readonly Entry[],
  isSame: (x: Entry, y: Entry) => boolean,
): boolean {
  if (a.length !== b.length) return false
  const find = createLookup(b)
  return a.every((entry) => {
    const other = find(entry.path)
    return other !== undefined && isSame(entry, other)
  })
}
