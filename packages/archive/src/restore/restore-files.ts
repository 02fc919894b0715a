import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { ignoring } from './ignoring.ts'

/** Who restores: decides which owners and set-id bits can be given back. */
export interface Restorer {
  isRoot: boolean
  /** The owner that new files get here. */
  uid: number
  gid: number
  /** Bits that new files don't get here. */
  umask: number
}

/** What a file has beside its content. */
export interface FileFacts {
  mode: number
  uid: number
  gid: number
  /** Microseconds since the epoch. */
  mtime: number
}

interface Content {
  /** The memory that the content is a part of. */
  raw: Uint8Array
  offset: number
  size: number
  sparse: boolean
}

/** Exactly open, write, futimes and close for an ordinary file: every further call counts fifty thousand times. */
export function writeFile(
  path: string | Buffer,
  facts: FileFacts,
  { content, restorer }: { content: Content; restorer: Restorer },
): void {
  const { raw, offset, size, sparse } = content
  const fd = createFile(path, facts.mode)
  try {
    if (sparse) {
      writeSparse(fd, raw.subarray(offset, offset + size), 0)
      ftruncateSync(fd, size)
    } else if (size > 0) {
      const written = writeSync(fd, raw, offset, size)
      if (written < size) writeAll(fd, raw.subarray(offset + written, offset + size), written)
    }
    finishFile(fd, facts, { restorer, made: modeOfNew(facts.mode, restorer) })
  } finally {
    closeSync(fd)
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** An interrupted restore that is continued may have left the file half written: it is made anew. */
function createFile(path: string | Buffer, mode: number): number {
  try {
    return openSync(path, CREATE, mode & 0o777)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    unlinkSync(path)
    return openSync(path, CREATE, mode & 0o777)
  }
}

const LONG = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW
const LONG_MODE = 0o600

/** Writes a part of a long file in its place; whoever comes first makes the file. */
export function writePart(
  path: string | Buffer,
  raw: Uint8Array,
  { position, sparse }: { position: number; sparse: boolean },
): void {
  const fd = openLong(path)
  try {
    if (sparse) writeSparse(fd, raw, position)
    else writeAll(fd, raw, position)
  } finally {
    closeSync(fd)
  }
}

/** A restore that was cut may have given the file its own mode already. */
function openLong(path: string | Buffer): number {
  try {
    return openSync(path, LONG, LONG_MODE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    ignoring('ENOENT', () => chmodSync(path, LONG_MODE))
    return openSync(path, LONG, LONG_MODE)
  }
}

/** Owner, then mode (a change of owner clears the set-id bits), then times. `made` is the mode that it has so far, if that is known. */
export function finishFile(
  fd: number,
  facts: FileFacts,
  { restorer, made }: { restorer: Restorer; made?: number },
): void {
  const ownerKept = giveOwner(fd, facts, restorer)
  const mode = ownerKept ? facts.mode : facts.mode & ~0o6000
  if (made !== mode || (restorer.isRoot && isForeign(facts, restorer))) fchmodSync(fd, mode)
  futimesSync(fd, facts.mtime / 1e6, facts.mtime / 1e6)
}

/** The mode that open(2) gives a new file, and mkdir(2) a directory. */
export function modeOfNew(mode: number, { umask }: Restorer): number {
  return mode & 0o777 & ~umask
}

function isForeign(facts: FileFacts, restorer: Restorer): boolean {
  return facts.uid !== restorer.uid || facts.gid !== restorer.gid
}

/** Answers whether the file now has the owner it had. Without root that is so only where new files get it anyway. */
function giveOwner(fd: number, facts: FileFacts, restorer: Restorer): boolean {
  if (!isForeign(facts, restorer)) return true
  if (!restorer.isRoot) return false
  try {
    fchownSync(fd, facts.uid, facts.gid)
    return true
  } catch (error) {
    // Root of a user namespace, or a volume that squashes owners.
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EPERM' || code === 'EINVAL') return false
    throw error
  }
}

function writeAll(fd: number, content: Uint8Array, position: number): void {
  let written = 0
  while (written < content.length) {
    written += writeSync(fd, content, written, content.length - written, position + written)
  }
}

// The unit in which file systems allocate: a hole can't be smaller.
const HOLE_BYTES = 4096
const ZEROS = Buffer.alloc(HOLE_BYTES)

/** Leaves out whole blocks of zeros. */
function writeSparse(fd: number, content: Uint8Array, position: number): void {
  for (let start = 0; start < content.length; start += HOLE_BYTES) {
    const block = content.subarray(start, start + HOLE_BYTES)
    if (!ZEROS.subarray(0, block.length).equals(block)) writeAll(fd, block, position + start)
  }
}
