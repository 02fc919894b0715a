import type { DirectoryColumns, LinkColumns, OwnedColumns } from '../format/manifest-columns.ts'
import type { ScannedDirectory } from './scan-directory.ts'
import { type FileRows, ROW } from './scan-rows.ts'
import type { LeftOut, TreePath } from '../format/tree.ts'

/** A directory that was found, and what was in it. */
export interface ScanNode {
  path: TreePath
  name: string
  mode: number
  uid: number
  gid: number
  mtime: number
  entries: ScannedDirectory
  /** Where the rows of its files are. */
  rows: FileRows
  children: ScanNode[]
}

/** A tree as it lies on the disk, in the same columns and order as a manifest's. */
export interface ScanColumns {
  directories: DirectoryColumns
  files: OwnedColumns & {
    /** Where the files of each directory begin; one more than there are directories. */
    starts: Int32Array
    /** Joined by `/`. */
    names: string
    size: Float64Array
    ctime: Float64Array
    sparse: Uint8Array
  }
  links: LinkColumns
  /** `[directory, name, number of the file]` */
  hardLinks: [number, string, number][]
  leftOut: LeftOut[]
}

/** Puts what was read, by whichever thread and in whichever order, into the order of a manifest: depth first, by name. */
export function arrangeScan(root: ScanNode): ScanColumns {
  const { nodes, parents } = walk(root)
  const most = nodes.reduce((sum, { entries }) => sum + entries.count, 0)
  const rows = new Float64Array(most * ROW.width)
  const starts = new Int32Array(nodes.length + 1)
  const names: string[] = []
  const inodes = new Map<string, number>()
  const hardLinks: ScanColumns['hardLinks'] = []
  let filled = 0
  for (const [number, { entries, rows: own }] of nodes.entries()) {
    const from = entries.start * ROW.width
    if (entries.linked.length === 0) {
      rows.set(own.values.subarray(from, from + entries.count * ROW.width), filled * ROW.width)
      if (entries.count > 0) names.push(entries.names)
      filled += entries.count
    } else {
      const list = entries.names.split('/')
      const linked = new Map(entries.linked.map(({ index, inode }) => [index, inode]))
      for (const [index, name] of list.entries()) {
        const inode = linked.get(index)
        const first = inode === undefined ? undefined : inodes.get(inode)
        if (first !== undefined) {
          hardLinks.push([number, name, first])
          continue
        }
        if (inode !== undefined) inodes.set(inode, filled)
        const at = from + index * ROW.width
        rows.set(own.values.subarray(at, at + ROW.width), filled * ROW.width)
        names.push(name)
        filled++
      }
    }
    starts[number + 1] = filled
  }
  return {
    directories: directoryColumns(nodes, parents),
    files: { starts, names: names.join('/'), ...fileColumns(rows, filled) },
    links: linkColumns(nodes),
    hardLinks,
    leftOut: nodes.flatMap(({ entries }) => entries.leftOut),
  }
}

function walk(root: ScanNode): { nodes: ScanNode[]; parents: number[] } {
  const nodes: ScanNode[] = []
  const parents: number[] = []
  const pending: { node: ScanNode; parent: number }[] = [{ node: root, parent: 0 }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const number = nodes.push(next.node) - 1
    parents.push(next.parent)
    const { children } = next.node
    for (let index = children.length - 1; index >= 0; index--)
      pending.push({ node: children[index] as ScanNode, parent: number })
  }
  return { nodes, parents }
}

function directoryColumns(
  nodes: readonly ScanNode[],
  parents: readonly number[],
): DirectoryColumns {
  return {
    parent: Int32Array.from(parents),
    names: nodes.map(({ name }) => name),
    mode: Uint16Array.from(nodes, ({ mode }) => mode),
    uid: Uint32Array.from(nodes, ({ uid }) => uid),
    gid: Uint32Array.from(nodes, ({ gid }) => gid),
    mtime: Float64Array.from(nodes, ({ mtime }) => mtime),
  }
}

function fileColumns(rows: Float64Array, count: number) {
  const columns = {
    size: new Float64Array(count),
    mtime: new Float64Array(count),
    ctime: new Float64Array(count),
    mode: new Uint16Array(count),
    uid: new Uint32Array(count),
    gid: new Uint32Array(count),
    sparse: new Uint8Array(count),
  }
  const { size, mtime, ctime, mode, uid, gid, sparse } = columns
  for (let index = 0, at = 0; index < count; index++, at += ROW.width) {
    size[index] = rows[at + ROW.size] as number
    mtime[index] = rows[at + ROW.mtime] as number
    ctime[index] = rows[at + ROW.ctime] as number
    mode[index] = rows[at + ROW.mode] as number
    uid[index] = rows[at + ROW.uid] as number
    gid[index] = rows[at + ROW.gid] as number
    sparse[index] = rows[at + ROW.sparse] as number
  }
  return columns
}

function linkColumns(nodes: readonly ScanNode[]): LinkColumns {
  const links = nodes.flatMap(({ entries }, directory) =>
    entries.links.map((link) => ({ ...link, directory })),
  )
  return {
    directory: Int32Array.from(links, (link) => link.directory),
    names: links.map((link) => link.name),
    target: links.map((link) => link.target),
    uid: Uint32Array.from(links, (link) => link.uid),
    gid: Uint32Array.from(links, (link) => link.gid),
    mtime: Float64Array.from(links, (link) => link.mtime),
  }
}
