import { GROUP_MAX_BYTES, GROUP_MAX_FILES, GROUP_MIN_BYTES } from './format.ts'
import { type FileEntry, type TreePath, parentPath } from './tree.ts'

/**
 * Cuts small files, in path order, into groups. Boundaries depend on names, not on contents: a changed package changes its own
 * group, an added or removed one its neighbours at most.
 */
export function groupFiles<File extends FileEntry>(files: readonly File[]): File[][] {
  const groups: File[][] = []
  let group: File[] = []
  let bytes = 0
  let unit = ''
  const nextUnitOf = createUnitOf()
  for (const file of files) {
    const nextUnit = nextUnitOf(file.path)
    if (group.length > 0 && mustCut({ bytes, files: group.length, unit, nextUnit, next: file })) {
      groups.push(group)
      group = []
      bytes = 0
    }
    group.push(file)
    bytes += file.size
    unit = nextUnit
  }
  if (group.length > 0) groups.push(group)
  return groups
}

interface Edge {
  bytes: number
  files: number
  unit: TreePath
  nextUnit: TreePath
  next: FileEntry
}

function mustCut(edge: Edge): boolean {
  if (edge.bytes + edge.next.size > GROUP_MAX_BYTES || edge.files >= GROUP_MAX_FILES) return true
  return (
    edge.bytes >= GROUP_MIN_BYTES && edge.unit !== edge.nextUnit && hash32(edge.nextUnit) % 2 === 0
  )
}

const PACKAGE_FOLDERS = new Set(['site-packages', 'dist-packages', 'custom_nodes'])

/** What tends to change together: a Python package, a custom node, else a directory of the second level. */
export function unitOf(path: TreePath): TreePath {
  const parts = path.split('/')
  const folder = parts.findIndex((part) => PACKAGE_FOLDERS.has(part))
  if (folder >= 0 && folder + 1 < parts.length) return parts.slice(0, folder + 2).join('/')
  return parts.length > 2 ? parts.slice(0, 2).join('/') : parentPath(path)
}

/** The same for files in path order: what lies in one directory belongs to one unit, unless each file of it is one. */
export function createUnitOf(): (path: TreePath) => TreePath {
  let directory: TreePath | undefined
  let unit = ''
  return (path) => {
    const own = parentPath(path)
    if (own === directory) return unit
    unit = unitOf(path)
    directory = unit === path ? undefined : own
    return unit
  }
}

/** FNV-1a, 32 bits (RFC 9923): spreads names evenly and needs no table. */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index)
    hash = Math.imul(hash, 0x01000193)
  }
  return (hash ^ (hash >>> 15)) >>> 0
}
