import type { Chunk, Place, StoredFile } from '../format/manifest.ts'
import type { Side } from './merge-tree.ts'
import { type StoredTree, placeKey } from './merge-state.ts'
import { sortTree } from '../format/sort-tree.ts'
import type {
  DirectoryEntry,
  HardLinkEntry,
  LeftOut,
  LinkEntry,
  Tree,
  TreePath,
} from '../format/tree.ts'
import { parentPath } from '../format/tree.ts'

interface Assembly {
  mine: StoredTree
  theirs: StoredTree
  /** The paths that are taken from each side; what lies above them follows. */
  taken: Record<Side, readonly TreePath[]>
}

interface Assembled {
  tree: Tree<StoredFile>
  chunks: Chunk[]
  /** Of theirs, where mine has something in the way, or needs a directory. */
  displaced: TreePath[]
}

type Entry =
  | { kind: 'directory'; entry: DirectoryEntry }
  | { kind: 'file'; entry: StoredFile }
  | { kind: 'link'; entry: LinkEntry }
  | { kind: 'hardLink'; entry: HardLinkEntry }

type Entries = Map<TreePath, Entry>
type Merged = Map<TreePath, Entry & { side: Side }>

/** One tree of what is taken from two: every entry in a directory, every further name beside its file, every place in one list of chunks. */
export function assembleMerged({ mine, theirs, taken }: Assembly): Assembled {
  const chunks = [...mine.chunks]
  const numbers = joinChunks(chunks, theirs.chunks)
  const sides = { mine: entriesOf(mine.tree), theirs: entriesOf(renumber(theirs.tree, numbers)) }
  const merged: Merged = new Map()
  const displaced: TreePath[] = []
  for (const side of ['mine', 'theirs'] as const) {
    for (const path of taken[side]) {
      const entry = sides[side].get(path)
      const there = merged.get(path)
      const isTaken =
        there !== undefined && (there.kind !== 'directory' || entry?.kind !== 'directory')
      if (entry === undefined || isTaken || !reach(path, { side, entries: sides[side], merged }))
        displaced.push(path)
      else merged.set(path, { ...entry, side })
    }
  }
  return { tree: buildTree({ mine, theirs }, merged, { sides, chunks }), chunks, displaced }
}

/** Adds the chunks that the list lacks; answers their numbers in it. */
function joinChunks(list: Chunk[], more: readonly Chunk[]): number[] {
  const known = new Map(list.map((chunk, number) => [chunk.sha256 + chunk.kind, number]))
  return more.map((chunk) => known.get(chunk.sha256 + chunk.kind) ?? list.push(chunk) - 1)
}

/** The same tree in a manifest that numbers its chunks so. */
export function renumber(tree: Tree<StoredFile>, numbers: readonly number[]): Tree<StoredFile> {
  const numberOf = (chunk: number): number => numbers[chunk] as number
  const move = (place: Place): Place => {
    if (place.kind === 'group') return { ...place, chunk: numberOf(place.chunk) }
    if (place.kind === 'empty') return place
    return { kind: 'segments', chunks: place.chunks.map(numberOf) }
  }
  return { ...tree, files: tree.files.map((file) => ({ ...file, place: move(file.place) })) }
}

function entriesOf({ directories, files, links, hardLinks }: Tree<StoredFile>): Entries {
  return new Map<TreePath, Entry>([
    ...directories.map((entry) => [entry.path, { kind: 'directory', entry }] as const),
    ...files.map((entry) => [entry.path, { kind: 'file', entry }] as const),
    ...links.map((entry) => [entry.path, { kind: 'link', entry }] as const),
    ...hardLinks.map((entry) => [entry.path, { kind: 'hardLink', entry }] as const),
  ])
}

/** Puts the directories above a path there; false where something else is in their place. */
function reach(path: TreePath, from: { side: Side; entries: Entries; merged: Merged }): boolean {
  if (path === '') return true
  const above = parentPath(path)
  const there = from.merged.get(above)
  if (there !== undefined) return there.kind === 'directory'
  const entry = from.entries.get(above)
  if (entry?.kind !== 'directory' || !reach(above, from)) return false
  from.merged.set(above, { ...entry, side: from.side })
  return true
}

function buildTree(
  { mine, theirs }: Pick<Assembly, 'mine' | 'theirs'>,
  merged: Merged,
  { sides, chunks }: { sides: Record<Side, Entries>; chunks: readonly Chunk[] },
): Tree<StoredFile> {
  const tree: Tree<StoredFile> = {
    directories: [],
    files: [],
    links: [],
    hardLinks: [],
    leftOut: [],
  }
  // A file's further names that were taken without it; the first of them stands for it.
  const anew = new Map<string, TreePath>()
  for (const [path, found] of merged) {
    if (found.kind === 'directory') tree.directories.push(found.entry)
    else if (found.kind === 'file') tree.files.push(found.entry)
    else if (found.kind === 'link') tree.links.push(found.entry)
    else {
      const original = sides[found.side].get(found.entry.to)
      const there = merged.get(found.entry.to)
      if (original?.kind !== 'file') continue
      const first = anew.get(`${found.side} ${found.entry.to}`)
      if (there?.kind === 'file' && isSameFile(there.entry, original.entry, chunks))
        tree.hardLinks.push(found.entry)
      else if (first !== undefined) tree.hardLinks.push({ path, to: first })
      else {
        anew.set(`${found.side} ${found.entry.to}`, path)
        tree.files.push({ ...original.entry, path, place: asMember(original.entry) })
      }
    }
  }
  tree.leftOut = joinLeftOut([...mine.tree.leftOut, ...theirs.tree.leftOut], merged)
  return sortTree(tree)
}

function isSameFile(a: StoredFile, b: StoredFile, chunks: readonly Chunk[]): boolean {
  const keyOf = (file: StoredFile): string =>
    [file.size, file.mode, file.uid, file.gid, file.mtime, placeKey(file.place, chunks)].join()
  return keyOf(a) === keyOf(b)
}

/** Its name in the tar is another than its path now. */
function asMember({ path, place }: StoredFile): Place {
  return place.kind === 'group' ? { ...place, member: place.member ?? path } : place
}

/** What one side could not save is not left out where the other has it. */
function joinLeftOut(all: readonly LeftOut[], merged: Merged): LeftOut[] {
  const byPath = new Map<TreePath, LeftOut>()
  for (const entry of all)
    if (!byPath.has(entry.path) && (entry.unread === true || !merged.has(entry.path)))
      byPath.set(entry.path, entry)
  return [...byPath.values()]
}
