import type { FileEntry, TreePath } from '../format/tree.ts'

/**
 * Files of a group on their way to a thread, and what became of them on the way back: in columns, because to copy an object for each
 * takes the time and the memory of both threads.
 */
export interface GroupFiles {
  /** Joined by NUL, which no path holds. */
  paths: string
  /** A row for each file. */
  values: Float64Array
}

const FILE = { size: 0, mtime: 1, mode: 2, uid: 3, gid: 4, sparse: 5, width: 6 }

export function packFiles(files: readonly FileEntry[]): GroupFiles {
  const values = new Float64Array(files.length * FILE.width)
  for (const [index, file] of files.entries()) {
    const at = index * FILE.width
    values[at + FILE.size] = file.size
    values[at + FILE.mtime] = file.mtime
    values[at + FILE.mode] = file.mode
    values[at + FILE.uid] = file.uid
    values[at + FILE.gid] = file.gid
    values[at + FILE.sparse] = file.sparse ? 1 : 0
  }
  return { paths: files.map(({ path }) => path).join('\0'), values }
}

/** One object after another. */
export function* unpackFiles({ paths, values }: GroupFiles): Iterable<FileEntry> {
  let start = 0
  for (let at = 0; at < values.length; at += FILE.width) {
    const end = paths.indexOf('\0', start)
    const path = paths.slice(start, end < 0 ? paths.length : end)
    start += path.length + 1
    yield {
      path,
      size: values[at + FILE.size] as number,
      mtime: values[at + FILE.mtime] as number,
      mode: values[at + FILE.mode] as number,
      uid: values[at + FILE.uid] as number,
      gid: values[at + FILE.gid] as number,
      sparse: values[at + FILE.sparse] === 1,
    }
  }
}

/** Where a file's content lies in its group, and what the file was when it was read. */
export interface GroupPlace {
  size: number
  mtime: number
  frame: number
  offset: number
}

export interface GroupPlaces {
  /** A row for each file, in their order; those of files that could not be read are empty. */
  values: Float64Array
  /** Of each file that was read, 32 hex digits. */
  hashes: string
  /** The numbers of those that could not be read, with the reason; `gone`: it isn't there any more, or is no regular file. */
  unread: [number, string][]
}

const PLACE = { size: 0, mtime: 1, frame: 2, offset: 3, width: 4 }

/** Notes what becomes of the files, one after another. */
export function createPlaces(files: GroupFiles): {
  add: (place: GroupPlace, hash: string) => void
  addUnread: (reason: string) => void
  finish: () => GroupPlaces
} {
  const values = new Float64Array((files.values.length / FILE.width) * PLACE.width)
  const hashes: string[] = []
  const unread: GroupPlaces['unread'] = []
  let number = 0
  return {
    add(place, hash) {
      const at = number * PLACE.width
      values[at + PLACE.size] = place.size
      values[at + PLACE.mtime] = place.mtime
      values[at + PLACE.frame] = place.frame
      values[at + PLACE.offset] = place.offset
      hashes.push(hash)
      number++
    },
    addUnread(reason) {
      unread.push([number, reason])
      number++
    },
    finish: () => ({ values, hashes: hashes.join(''), unread }),
  }
}

/** The files that were read, each with its place, and those that could not be. */
export function matchPlaces<File extends { path: TreePath }>(
  files: readonly File[],
  { values, unread }: GroupPlaces,
): { read: { file: File; place: GroupPlace }[]; unread: { file: File; reason: string }[] } {
  const reasons = new Map(unread)
  const matched: ReturnType<typeof matchPlaces<File>> = { read: [], unread: [] }
  for (const [index, file] of files.entries()) {
    const reason = reasons.get(index)
    if (reason === undefined) matched.read.push({ file, place: placeAt(values, index) })
    else matched.unread.push({ file, reason })
  }
  return matched
}

function placeAt(values: Float64Array, index: number): GroupPlace {
  const at = index * PLACE.width
  return {
    size: values[at + PLACE.size] as number,
    mtime: values[at + PLACE.mtime] as number,
    frame: values[at + PLACE.frame] as number,
    offset: values[at + PLACE.offset] as number,
  }
}
