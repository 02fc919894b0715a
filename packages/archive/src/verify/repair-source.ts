import { hash } from 'node:crypto'
import {
  type Dirent,
  closeSync,
  constants,
  openSync,
  readSync,
  readdirSync,
  lstatSync,
} from 'node:fs'
import { SEGMENT_BYTES, SMALL_FILE_BYTES } from '../format/format.ts'
import { type TreePath, fileSystemPath, fromBytes, joinPath } from '../format/tree.ts'

/** Content of directories on this machine, found by its hash. */
export interface RepairSource {
  /** A small file's bytes. Without a hash, whatever lies at the path: who asks must check it. */
  findFile(wanted: WantedContent): Buffer | undefined
  /** The bytes of one segment of a long file. */
  findSegment(wanted: WantedContent & { index: number }): Buffer | undefined
}

export interface WantedContent {
  path: TreePath
  /** Of the file. */
  size: number
  /** Half a sha256 of the file, or of the segment. */
  hash: string | undefined
}

interface LocalFile {
  root: string
  path: TreePath
}

/** Looks into directories; a file is read when its size is asked for, and hashed once. */
export function openRepairSource(roots: readonly string[]): RepairSource {
  const bySize = new Map<number, LocalFile[]>()
  for (const root of roots)
    for (const { path, size } of walkFiles(root, ''))
      bySize.set(size, [...(bySize.get(size) ?? []), { root, path }])
  const hashes = new Map<string, string>()
  const hashOf = (file: LocalFile, index: number): string => {
    const key = `${file.root}\0${file.path}\0${index}`
    const known = hashes.get(key) ?? contentHash(tryRead(file, index))
    hashes.set(key, known)
    return known
  }
  const find = (wanted: WantedContent, index: number): Buffer | undefined => {
    const candidates = (bySize.get(wanted.size) ?? []).toSorted(
      (a, b) => Number(b.path === wanted.path) - Number(a.path === wanted.path),
    )
    const found = candidates.find((file) =>
      wanted.hash === undefined ? file.path === wanted.path : hashOf(file, index) === wanted.hash,
    )
    const bytes = found === undefined ? undefined : tryRead(found, index)
    // Read again: it may have changed since it was hashed.
    return wanted.hash === undefined || contentHash(bytes) === wanted.hash ? bytes : undefined
  }
  return {
    findFile: (wanted) => (wanted.size > SMALL_FILE_BYTES ? undefined : find(wanted, 0)),
    findSegment: ({ index, ...wanted }) => find(wanted, index),
  }
}

function contentHash(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : hash('sha256', bytes, 'hex').slice(0, 32)
}

function* walkFiles(root: string, path: TreePath): Generator<{ path: TreePath; size: number }> {
  for (const entry of readFolder(root, path)) {
    const child = joinPath(path, fromBytes(entry.name))
    if (path === '' && child === '.berth') continue
    if (entry.isDirectory()) yield* walkFiles(root, child)
    else if (entry.isFile()) {
      const stats = lstatSync(fileSystemPath(root, child), { throwIfNoEntry: false })
      if (stats?.isFile() === true) yield { path: child, size: stats.size }
    }
  }
}

function readFolder(root: string, path: TreePath): Dirent<Buffer>[] {
  try {
    return readdirSync(fileSystemPath(root, path), { withFileTypes: true, encoding: 'buffer' })
  } catch {
    // What can't be read can't be used; what is lost is said at the end.
    return []
  }
}

function tryRead(file: LocalFile, index: number): Buffer | undefined {
  try {
    const fd = openSync(
      fileSystemPath(file.root, file.path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
    try {
      return readPiece(fd, index * SEGMENT_BYTES)
    } finally {
      closeSync(fd)
    }
  } catch {
    return undefined
  }
}

function readPiece(fd: number, start: number): Buffer {
  const bytes = Buffer.allocUnsafe(SEGMENT_BYTES)
  let filled = 0
  while (filled < bytes.length) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, start + filled)
    if (count === 0) break
    filled += count
  }
  return Buffer.from(bytes.subarray(0, filled))
}
