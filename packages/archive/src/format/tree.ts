/**
 * A path inside a tree: relative, `/` between components, no leading slash; `''` is the tree itself. A byte that isn't part of valid
 * UTF-8 is a lone surrogate U+DC80 to U+DCFF (the surrogateescape convention of Python's PEP 383), so every name survives as a string.
 */
export type TreePath = string

interface Owned {
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  mode: number
  uid: number
  gid: number
  /** Microseconds since the epoch. A file system's nanoseconds are rounded: `utimes` takes a double, which holds no more. */
  mtime: number
}

export interface DirectoryEntry extends Owned {
  path: TreePath
}

export interface FileEntry extends Owned {
  path: TreePath
  /** Bytes. */
  size: number
  /** Fewer blocks than bytes: runs of zeros come back as holes. */
  sparse: boolean
}

export interface LinkEntry {
  path: TreePath
  /** Word for word, wherever it points. */
  target: string
  uid: number
  gid: number
  mtime: number
}

/** A further name of a file that is in the tree already. */
export interface HardLinkEntry {
  path: TreePath
  /** The name under which the file stands among the files. */
  to: TreePath
}

export interface LeftOut {
  path: TreePath
  reason: string
  /** It is there and could not be read: the snapshot holds it as the one before did, if that did. */
  unread?: true
}

/** Files that were found to be one with their place in the archive. */
export interface Tree<File extends FileEntry = FileEntry> {
  /** Parents before children; the tree itself is the first, with the path `''`. */
  directories: DirectoryEntry[]
  /** In path order, directory by directory. */
  files: File[]
  links: LinkEntry[]
  hardLinks: HardLinkEntry[]
  leftOut: LeftOut[]
}

/** The path of an entry of a directory. */
export function joinPath(directory: TreePath, name: string): TreePath {
  return directory === '' ? name : `${directory}/${name}`
}

export function parentPath(path: TreePath): TreePath {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

export function baseName(path: TreePath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

const LONE_SURROGATE = /[\uDC80-\uDCFF]/

/** Whether the name holds bytes that aren't UTF-8. */
export function hasRawBytes(path: TreePath): boolean {
  return LONE_SURROGATE.test(path) && !path.isWellFormed()
}

/** What the file system is given: the string itself, or its bytes where it holds some that aren't UTF-8. */
export function fileSystemPath(root: string, path: TreePath): string | Buffer {
  const whole = path === '' ? root : `${root}/${path}`
  return hasRawBytes(path) ? toBytes(whole) : whole
}

/** The bytes of a path or link target. */
export function toBytes(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path, 'utf8')
  const parts: Buffer[] = []
  for (const character of path) {
    const code = character.codePointAt(0) ?? 0
    parts.push(
      code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(character),
    )
  }
  return Buffer.concat(parts)
}

/** The inverse of `toBytes`. */
export function fromBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\uFFFD') || Buffer.from(text, 'utf8').equals(bytes)) return text
  let result = ''
  let index = 0
  while (index < bytes.length) {
    const length = sequenceLength(bytes, index)
    result +=
      length === 0
        ? String.fromCharCode(0xdc00 + (bytes[index] ?? 0))
        : bytes.toString('utf8', index, index + length)
    index += length === 0 ? 1 : length
  }
  return result
}

/** Length of the valid UTF-8 sequence at this place, or 0. */
function sequenceLength(bytes: Buffer, index: number): number {
  const first = bytes[index] ?? 0
  const length =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  if (length === 0 || index + length > bytes.length) return 0
  const slice = bytes.subarray(index, index + length)
  return Buffer.from(slice.toString('utf8'), 'utf8').equals(slice) ? length : 0
}
