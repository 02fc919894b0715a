import type { Chunk, Place, StoredFile } from '../format/manifest.ts'
import { type Unit, isDerived } from './merge-unit.ts'
import type { Tree, TreePath } from '../format/tree.ts'

/** A tree and the chunks that its places name. */
export interface StoredTree {
  tree: Tree<StoredFile>
  chunks: readonly Chunk[]
}

/** What one side holds of a unit. */
export interface UnitState {
  unit: Unit
  paths: TreePath[]
  /** Equal where the contents are: times, and what programs write by themselves, do not count. */
  content: string
  /** Equal where the unit would be restored alike. */
  whole: string
}

/** Every unit of a tree, by its path. */
export function readUnits(
  { tree, chunks }: StoredTree,
  unitOf: (path: TreePath) => Unit,
): Map<TreePath, UnitState> {
  const entries = new Map<TreePath, { unit: Unit; list: [TreePath, string, string][] }>()
  const add = (path: TreePath, content: string, time = ''): void => {
    const unit = unitOf(path)
    const found = entries.get(unit.path) ?? { unit, list: [] }
    found.list.push([path, content, time])
    entries.set(unit.path, found)
  }
  const originals = new Map(tree.hardLinks.map(({ to }) => [to, '']))
  for (const { path, mode, uid, gid } of tree.directories) add(path, `d ${mode} ${uid} ${gid}`)
  for (const file of tree.files) {
    const content = describeFile(file, chunks)
    if (originals.has(file.path)) originals.set(file.path, content)
    add(file.path, content, `${file.mtime}`)
  }
  for (const { path, target, uid, gid } of tree.links) add(path, `l ${uid} ${gid} ${target}`)
  for (const { path, to } of tree.hardLinks) add(path, originals.get(to) ?? '')
  return new Map([...entries].map(([path, { unit, list }]) => [path, describeUnit(unit, list)]))
}

function describeUnit(unit: Unit, list: [TreePath, string, string][]): UnitState {
  list.sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    unit,
    paths: list.map(([path]) => path),
    content: list
      .map(([path, content]) => (isDerived(path) ? '' : `${path}\0${content}\0`))
      .join(''),
    whole: list.map((entry) => entry.join('\0')).join('\0'),
  }
}

function describeFile(file: StoredFile, chunks: readonly Chunk[]): string {
  const { size, mode, uid, gid, place } = file
  return `f ${size} ${mode} ${uid} ${gid} ${placeKey(place, chunks)}`
}

/** The same for the same bytes of the store, however a manifest numbers its chunks. */
export function placeKey(place: Place, chunks: readonly Chunk[]): string {
  if (place.kind === 'group') return `${chunks[place.chunk]?.sha256}:${place.frame}:${place.offset}`
  return place.kind === 'segments' ? place.chunks.map((chunk) => chunks[chunk]?.sha256).join() : ''
}
