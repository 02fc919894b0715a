import type { Place, StoredFile } from './manifest.ts'
import { TAR_BLOCK, tarPadding } from './tar-layout.ts'
import {
  type DirectoryEntry,
  type FileEntry,
  type LeftOut,
  type LinkEntry,
  type Tree,
  baseName,
  hasRawBytes,
  joinPath,
  parentPath,
  toBytes,
} from './tree.ts'

/** `[value, count, value, count, …]` */
type Runs = number[]

interface OwnedColumns {
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
  directories: OwnedColumns & { parent: number[]; names: string }
  files: OwnedColumns & {
    directory: Runs
    names: string
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
  links: Omit<OwnedColumns, 'mode'> & { directory: Runs; names: string; target: string[] }
  /** `[directory, name, number of the file]` */
  hardLinks: [number, string, number][]
  leftOut: LeftOut[]
  /**
   * Paths that aren't UTF-8, by the number of their entry, as octal escapes for printf(1): jq, which gets a tree out without Berth,
   * can't read the surrogates that stand for such bytes in the names. Not read by Berth.
   */
  raw: Record<'directories' | 'files' | 'links' | 'hardLinks', [number, string][]>
}

const EMPTY = -1
const SEGMENTS = -2

export function encodeTree(tree: Tree<StoredFile>): EncodedTree {
  const numbers = new Map(tree.directories.map((directory, index) => [directory.path, index]))
  const numberOf = (path: string): number => numbers.get(parentPath(path)) ?? 0
  const fileNumbers = new Map(
    tree.hardLinks.length === 0 ? [] : tree.files.map((file, index) => [file.path, index]),
  )
  return {
    directories: {
      ...encodeOwned(tree.directories),
      parent: tree.directories.map((directory) =>
        directory.path === '' ? 0 : numberOf(directory.path),
      ),
      names: joinNames(tree.directories),
    },
    files: {
      ...encodeOwned(tree.files),
      ...encodePlaces(tree.files),
      directory: runs(tree.files.map((file) => numberOf(file.path))),
      names: joinNames(tree.files),
    },
    links: {
      directory: runs(tree.links.map((link) => numberOf(link.path))),
      names: joinNames(tree.links),
      target: tree.links.map((link) => link.target),
      uid: runs(tree.links.map((link) => link.uid)),
      gid: runs(tree.links.map((link) => link.gid)),
      mtime: differences(tree.links.map((link) => link.mtime)),
    },
    hardLinks: tree.hardLinks.map((link) => [
      numberOf(link.path),
      baseName(link.path),
      fileNumbers.get(link.to) ?? -1,
    ]),
    leftOut: tree.leftOut,
    raw: {
      directories: rawPaths(tree.directories),
      files: rawPaths(tree.files),
      links: rawPaths(tree.links),
      hardLinks: rawPaths(tree.hardLinks),
    },
  }
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
    chunk: runs(chunk),
    frame: runs(frame),
    skip: runs(skip),
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

export function decodeTree(encoded: Omit<EncodedTree, 'raw'>): Tree<StoredFile> {
  const directories = decodeDirectories(encoded.directories)
  const pathOf = (directory: number | undefined, name: string | undefined): string => {
    const parent = directories[directory ?? -1]
    if (parent === undefined || name === undefined)
      throw new RangeError('an entry lies in no directory')
    return joinPath(parent.path, name)
  }
  const files = decodeFiles(encoded.files, pathOf)
  return {
    directories,
    files,
    links: decodeLinks(encoded.links, pathOf),
    hardLinks: encoded.hardLinks.map(([directory, name, file]) => ({
      path: pathOf(directory, name),
      to: required(files[file], 'a hard link names no file').path,
    })),
    leftOut: encoded.leftOut,
  }
}

function decodeDirectories(columns: EncodedTree['directories']): DirectoryEntry[] {
  const names = columns.names.split('/')
  const owned = decodeOwned(columns, names.length)
  const directories: DirectoryEntry[] = []
  for (const [index, name] of names.entries()) {
    const parent = directories[columns.parent[index] ?? -1]
    if (index > 0 && parent === undefined)
      throw new RangeError('a directory lies in no directory before it')
    directories.push({
      path: index === 0 ? '' : joinPath(parent?.path ?? '', name),
      ...owned(index),
    })
  }
  return directories
}

type PathOf = (directory: number | undefined, name: string | undefined) => string

function decodeFiles(columns: EncodedTree['files'], pathOf: PathOf): StoredFile[] {
  const count = columns.size.length
  const names = splitNames(columns.names, count)
  const owned = decodeOwned(columns, count)
  const directory = expand(columns.directory, count)
  const placeOf = decodePlaces(columns)
  const sparse = new Set(columns.sparse)
  return columns.size.map((size, index) => ({
    path: pathOf(directory[index], names[index]),
    ...owned(index),
    size,
    sparse: sparse.has(index),
    place: placeOf(index, size),
  }))
}

function decodePlaces(columns: EncodedTree['files']): (index: number, size: number) => Place {
  const chunks = expand(columns.chunk, columns.size.length)
  const grouped = chunks.filter((chunk) => chunk >= 0).length
  const frames = expand(columns.frame, grouped)
  const skips = expand(columns.skip, grouped)
  const members = new Map(columns.members)
  const segments = new Map(columns.segments.map(([index, ...list]) => [index as number, list]))
  let next = 0
  let before = { chunk: -1, frame: -1, end: 0 }
  return (index, size) => {
    const chunk = chunks[index] as number
    if (chunk === EMPTY) return { kind: 'empty' }
    if (chunk === SEGMENTS)
      return {
        kind: 'segments',
        chunks: required(segments.get(index), 'a long file has no segments'),
      }
    const frame = frames[next] as number
    const start = before.chunk === chunk && before.frame === frame ? before.end : 0
    const offset = start + TAR_BLOCK + (skips[next] as number)
    next++
    before = { chunk, frame, end: offset + size + tarPadding(size) }
    const member = members.get(index)
    return { kind: 'group', chunk, frame, offset, ...(member === undefined ? {} : { member }) }
  }
}

function decodeLinks(columns: EncodedTree['links'], pathOf: PathOf): LinkEntry[] {
  const count = columns.target.length
  const names = splitNames(columns.names, count)
  const directory = expand(columns.directory, count)
  const uid = expand(columns.uid, count)
  const gid = expand(columns.gid, count)
  const mtime = sums(columns.mtime)
  return columns.target.map((target, index) => ({
    path: pathOf(directory[index], names[index]),
    target,
    uid: uid[index] as number,
    gid: gid[index] as number,
    mtime: required(mtime[index], 'a link has no mtime'),
  }))
}

function encodeOwned(entries: readonly (FileEntry | DirectoryEntry)[]): OwnedColumns {
  return {
    mode: runs(entries.map((entry) => entry.mode)),
    uid: runs(entries.map((entry) => entry.uid)),
    gid: runs(entries.map((entry) => entry.gid)),
    mtime: differences(entries.map((entry) => entry.mtime)),
  }
}

function decodeOwned(columns: OwnedColumns, count: number) {
  const mode = expand(columns.mode, count)
  const uid = expand(columns.uid, count)
  const gid = expand(columns.gid, count)
  const mtime = sums(columns.mtime)
  if (mtime.length !== count) throw new RangeError(`${mtime.length} mtimes for ${count} entries`)
  return (index: number) => ({
    mode: mode[index] as number,
    uid: uid[index] as number,
    gid: gid[index] as number,
    mtime: mtime[index] as number,
  })
}

function joinNames(entries: readonly { path: string }[]): string {
  return entries.map((entry) => baseName(entry.path)).join('/')
}

function splitNames(names: string, count: number): string[] {
  const list = count === 0 ? [] : names.split('/')
  if (list.length !== count) throw new RangeError(`${list.length} names for ${count} entries`)
  return list
}

function runs(values: readonly number[]): Runs {
  const result: Runs = []
  for (const value of values) {
    if (result.at(-2) === value) result[result.length - 1] = (result.at(-1) as number) + 1
    else result.push(value, 1)
  }
  return result
}

/** Throws unless there are exactly `count` values: a count from outside must not decide how much memory is taken. */
function expand(column: Runs, count: number): number[] {
  const values: number[] = []
  for (let index = 0; index < column.length; index += 2) {
    const times = column[index + 1] as number
    if (!Number.isInteger(times) || times < 1 || values.length + times > count)
      throw new RangeError('a column is too long')
    for (let repeat = 0; repeat < times; repeat++) values.push(column[index] as number)
  }
  if (values.length !== count)
    throw new RangeError(`a column has ${values.length} values for ${count} entries`)
  return values
}

function differences(values: readonly number[]): number[] {
  return values.map((value, index) => value - (values[index - 1] ?? 0))
}

function sums(values: readonly number[]): number[] {
  let sum = 0
  return values.map((value) => (sum += value))
}

function required<Value>(value: Value | undefined, problem: string): Value {
  if (value === undefined) throw new RangeError(problem)
  return value
}
