import type { Manifest, StoredFile } from '../format/manifest.ts'
import { type TreePath, baseName, parentPath } from '../format/tree.ts'

/** A package or a custom node that came, went or changed. */
export interface UnitChange {
  /** `numpy`, or the path of a custom node. */
  unit: string
  change: 'added' | 'removed' | 'changed'
  /** Versions of a Python package, where its metadata names them. */
  from?: string
  to?: string
}

/** What a snapshot's tree has that another's has not. Directories are not counted. */
export interface Difference {
  added: number
  /** Other content, or another target of a link; a file that was only touched is not one. */
  changed: number
  removed: number
  units: UnitChange[]
}

/** Compares a snapshot with the one it was made from. */
export function compareSnapshots(before: Manifest, after: Manifest): Difference {
  const old = contentsOf(before)
  const now = contentsOf(after)
  const added = [...now.keys()].filter((path) => !old.has(path))
  const removed = [...old.keys()].filter((path) => !now.has(path))
  const changed = [...now].flatMap(([path, content]) => {
    const earlier = old.get(path)
    return earlier === undefined || isSame(earlier, content) ? [] : [path]
  })
  const units = [
    ...comparePackages(packagesOf(before), packagesOf(after)),
    ...compareNodes(nodesOf(before), nodesOf(after), [...added, ...removed, ...changed]),
  ]
  return { added: added.length, changed: changed.length, removed: removed.length, units }
}

interface Content {
  /** Where it lies: chunks are named by what is in them. */
  key: string
  size: number
  mtime: number
}

function contentsOf({ tree, chunks }: Manifest): Map<TreePath, Content> {
  const contents = new Map<TreePath, Content>()
  for (const file of tree.files)
    contents.set(file.path, { key: contentKey(file, chunks), size: file.size, mtime: file.mtime })
  for (const { path, target, mtime } of tree.links)
    contents.set(path, { key: `link ${target}`, size: -1, mtime })
  for (const { path, to } of tree.hardLinks)
    contents.set(path, contents.get(to) ?? { key: to, size: -1, mtime: 0 })
  return contents
}

function contentKey({ place }: StoredFile, chunks: Manifest['chunks']): string {
  if (place.kind === 'empty') return 'empty'
  if (place.kind === 'segments') return place.chunks.map((at) => chunks[at]?.sha256).join(' ')
  return `${chunks[place.chunk]?.sha256} ${place.frame} ${place.offset}`
}

/** Content that was stored anew, in another chunk, keeps its size and its time. */
function isSame(a: Content, b: Content): boolean {
  return a.key === b.key || (a.size >= 0 && a.size === b.size && a.mtime === b.mtime)
}

// The name of a distribution's metadata directory (PyPA's binary distribution format): `numpy-2.1.0.dist-info`.
const DIST_INFO = /^(.+?)-([^-]+)\.(?:dist|egg)-info$/

/** Versions by package. */
function packagesOf({ tree }: Manifest): Map<string, string> {
  const packages = new Map<string, string>()
  for (const { path } of tree.directories) {
    const [, name, version] = DIST_INFO.exec(baseName(path)) ?? []
    if (name !== undefined && version !== undefined) packages.set(name, version)
  }
  return packages
}

function comparePackages(before: Map<string, string>, after: Map<string, string>): UnitChange[] {
  const changes: UnitChange[] = []
  for (const unit of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const [from, to] = [before.get(unit), after.get(unit)]
    if (from === to) continue
    if (from === undefined) changes.push({ unit, change: 'added', to: to ?? '' })
    else if (to === undefined) changes.push({ unit, change: 'removed', from })
    else changes.push({ unit, change: 'changed', from, to })
  }
  return changes
}

const NODES = 'custom_nodes'

/** The directories of custom nodes. A tree may be the folder of the nodes itself. */
function nodesOf({ tree, archive }: Manifest): Set<TreePath> {
  const isFolder = baseName(archive) === NODES
  return new Set(
    tree.directories.flatMap(({ path }) => {
      const parent = parentPath(path)
      const isNode = path !== '' && (parent === '' ? isFolder : baseName(parent) === NODES)
      return isNode && !baseName(path).startsWith('__') ? [path] : []
    }),
  )
}

function compareNodes(
  before: ReadonlySet<TreePath>,
  after: ReadonlySet<TreePath>,
  touched: readonly TreePath[],
): UnitChange[] {
  const changed = new Set<TreePath>()
  for (const path of touched) {
    for (let at = parentPath(path); at !== ''; at = parentPath(at))
      if (before.has(at) && after.has(at)) changed.add(at)
  }
  return [...new Set([...before, ...after])].toSorted().flatMap((unit): UnitChange[] => {
    if (!before.has(unit)) return [{ unit, change: 'added' }]
    if (!after.has(unit)) return [{ unit, change: 'removed' }]
    return changed.has(unit) ? [{ unit, change: 'changed' }] : []
  })
}
