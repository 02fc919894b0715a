import type { StoredFile } from './manifest.ts'
import { TAR_BLOCK, tarPadding } from './tar-layout.ts'
import {
  type DirectoryEntry,
  type FileEntry,
  type LeftOut,
  type Tree,
  baseName,
  hasRawBytes,
  parentPath,
  toBytes,
} from './tree.ts'

/** `[value, count, value, count, …]` */
export type Runs = number[]

export interface EncodedOwned {
  mode: Runs
  uid: Runs
  gid: Runs
  /** Differences to the entry before. */
  mtime: number[]
}

/**
 * A tree in columns. Names are joined by `/`, which no name contains. A directory is meant by its number; directory 0 is the tree.
 */
export interface EncodedTree {
  /** `up`: how many numbers before its own its parent has; 0 for the tree. */
  directories: EncodedOwned & { up: number[]; names: string }
  files: EncodedOwned & {
    /** How many files each directory holds; the files follow the directories' order, and in each the code units of their names. */
    count: number[]
    /** `//` stands for `ending` and a `/`. */
    names: string
    /** What many names end with; empty when there is no such thing. */
    ending: string
    size: number[]
    /** The chunk of a grouped file, -1 for an empty file, -2 for one in segments. */
    chunk: Runs
    frame: Runs
    /** Offset in the frame less the one expected right behind the file before. */
    skip: Runs
    members: [number, string][]
    segments: number[][]
    sparse: number[]
  }
  links: Omit<EncodedOwned, 'mode'> & { directory: Runs; names: string; target: string[] }
  /** `[directory, name, number of the file]` */
  hardLinks: [number, string, number][]
  leftOut: LeftOut[]
  /**
   * Paths that aren't UTF-8, by the number of their entry, as octal escapes for printf(1): jq, which gets a tree out without Berth,
   * can't read the surrogates that stand for such bytes in the names. Not read by Berth.
   */
  raw: Record<'directories' | 'files' | 'links' | 'hardLinks', [number, string][]>
}

export const EMPTY = -1
export const SEGMENTS = -2

export function encodeTree(tree: Tree<StoredFile>): EncodedTree {
  const { directories, links, hardLinks } = tree
  const numbers = new Map(directories.map((directory, index) => [directory.path, index]))
  const numberOf = (path: string): number => numbers.get(parentPath(path)) ?? 0
  const { files, count } = arrangeFiles(tree, numberOf)
  const fileNumbers = new Map(
    hardLinks.length === 0 ? [] : files.map((file, index) => [file.path, index]),
  )
  return {
    directories: {
      ...encodeOwned(directories),
      up: directories.map(({ path }, index) => (path === '' ? 0 : index - numberOf(path))),
      names: joinNames(directories),
    },
    files: {
      ...encodeOwned(files),
      ...encodePlaces(files),
      count,
      ...encodeNames(joinNames(files)),
    },
    links: {
      directory: runs(links, (link) => numberOf(link.path)),
      names: joinNames(links),
      target: links.map((link) => link.target),
      uid: runs(links, (link) => link.uid),
      gid: runs(links, (link) => link.gid),
      mtime: differences(links),
    },
    hardLinks: hardLinks.map((link) => [
      numberOf(link.path),
      baseName(link.path),
      fileNumbers.get(link.to) ?? -1,
    ]),
    leftOut: tree.leftOut,
    raw: {
      directories: rawPaths(directories),
      files: rawPaths(files),
      links: rawPaths(links),
      hardLinks: rawPaths(hardLinks),
    },
  }
}

/** The files in the order of their directories and names, as they nearly always are, and how many each directory holds. */
function arrangeFiles(
  { directories, files }: Tree<StoredFile>,
  numberOf: (path: string) => number,
): { files: readonly StoredFile[]; count: number[] } {
  const count = Array.from({ length: directories.length }, () => 0)
  let isOrdered = true
  let last = 0
  const of: number[] = []
  let before = ''
  for (const { path } of files) {
    const slash = path.lastIndexOf('/')
    const isBeside =
      slash === before.lastIndexOf('/') && path.startsWith(before.slice(0, slash + 1))
    const number = isBeside && of.length > 0 ? last : numberOf(path)
    if (number < last || (number === last && path <= before)) isOrdered = false
    of.push(number)
    count[number] = (count[number] ?? 0) + 1
    last = number
    before = path
  }
  if (isOrdered) return { files, count }
  const order = files.map((file, index) => ({ file, number: of[index] as number }))
  order.sort((a, b) => a.number - b.number || (a.file.path < b.file.path ? -1 : 1))
  return { files: order.map(({ file }) => file), count }
}

// What compilers put behind a module's name, as in `module.cpython-311.pyc`: a third of the names of a venv end with it.
const COMPILED = /\.[\w-]{1,40}\.pyc(?=\/)/

/** Names with a common ending left away; `//` then ends such a name, since no name is empty. */
export function encodeNames(names: string): { names: string; ending: string } {
  const ending = COMPILED.exec(names)?.[0] ?? ''
  // A name that is nothing but the ending would be read otherwise.
  if (ending === '' || `/${names}`.includes(`/${ending}/`)) return { names, ending: '' }
  return { names: names.replaceAll(`${ending}/`, '//'), ending }
}

function rawPaths(entries: readonly { path: string }[]): [number, string][] {
  return entries.flatMap(({ path }, index) =>
    hasRawBytes(path) ? [[index, octalEscapes(toBytes(path))]] : [],
  )
}

function octalEscapes(bytes: Buffer): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}

function encodePlaces(files: readonly StoredFile[]) {
  const chunk: number[] = []
  const frame: number[] = []
  const skip: number[] = []
  const members: [number, string][] = []
  const segments: number[][] = []
  const expected = createExpectation()
  for (const [index, file] of files.entries()) {
    const place = file.place
    if (place.kind !== 'group') {
      chunk.push(place.kind === 'empty' ? EMPTY : SEGMENTS)
      if (place.kind === 'segments') segments.push([index, ...place.chunks])
      continue
    }
    chunk.push(place.chunk)
    frame.push(place.frame)
    skip.push(place.offset - expected.next(place, file.size))
    if (place.member !== undefined) members.push([index, place.member])
  }
  return {
    size: files.map((file) => file.size),
    chunk: runs(chunk, itself),
    frame: runs(frame, itself),
    skip: runs(skip, itself),
    members,
    segments,
    sparse: files.flatMap((file, index) => (file.sparse ? [index] : [])),
  }
}

/** Where the next file of a group is expected: behind the one before in the same frame, with one header block between. */
function createExpectation() {
  let chunk = -1
  let frame = -1
  let end = 0
  return {
    next(place: { chunk: number; frame: number; offset: number }, size: number): number {
      const start = place.chunk === chunk && place.frame === frame ? end : 0
      chunk = place.chunk
      frame = place.frame
      end = place.offset + size + tarPadding(size)
      return start + TAR_BLOCK
    },
  }
}

function encodeOwned(entries: readonly (FileEntry | DirectoryEntry)[]): EncodedOwned {
  return {
    mode: runs(entries, (entry) => entry.mode),
    uid: runs(entries, (entry) => entry.uid),
    gid: runs(entries, (entry) => entry.gid),
    mtime: differences(entries),
  }
}

function joinNames(entries: readonly { path: string }[]): string {
  return entries.map((entry) => baseName(entry.path)).join('/')
}

const itself = (value: number): number => value

function runs<Entry>(entries: readonly Entry[], valueOf: (entry: Entry) => number): Runs {
  const result: Runs = []
  let value = 0
  let count = 0
  for (const entry of entries) {
    const next = valueOf(entry)
    if (count > 0 && next === value) count++
    else {
      if (count > 0) result.push(value, count)
      value = next
      count = 1
    }
  }
  if (count > 0) result.push(value, count)
  return result
}

function differences(entries: readonly { mtime: number }[]): number[] {
  let before = 0
  return entries.map(({ mtime }) => {
    const difference = mtime - before
    before = mtime
    return difference
  })
}
