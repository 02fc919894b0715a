import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { hasErrno } from './errno.ts'

export type EntryKind = 'file' | 'directory' | 'symlink' | 'other'

export interface TreeEntry {
  /** Bytes, for a name needn't be UTF-8. */
  path: Buffer
  /** From the directory that was walked; no leading slash. */
  relativePath: Buffer
  /** `other`: a device, a socket, a FIFO. */
  kind: EntryKind
}

const SLASH = Buffer.from('/')

/**
 * Everything below a directory, the directory itself left out: parents before their children, each directory's names in byte order.
 * Symlinks are told, never followed. What vanishes while it is walked is passed over; a directory that can't be read throws.
 */
export async function* walkTree(directory: string | Buffer): AsyncGenerator<TreeEntry> {
  const root = Buffer.from(directory)
  const pending = await readEntries(root, undefined)
  for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
    yield entry
    if (entry.kind !== 'directory') continue
    try {
      // A plain loop: spread arguments of a directory with a million names would overflow the stack.
      for (const child of await readEntries(entry.path, entry.relativePath)) pending.push(child)
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
}

/** Last name first, so that the end of the list is what comes next. */
async function readEntries(path: Buffer, relativePath: Buffer | undefined): Promise<TreeEntry[]> {
  const entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
  return entries
    .toSorted((a, b) => Buffer.compare(b.name, a.name))
    .map((entry) => ({
      path: joinBytes(path, entry.name),
      relativePath: relativePath === undefined ? entry.name : joinBytes(relativePath, entry.name),
      kind: kindOf(entry),
    }))
}

/** Joins a directory and a name, or a relative path, byte for byte. */
export function joinBytes(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name])
}

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): EntryKind {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'other'
}
