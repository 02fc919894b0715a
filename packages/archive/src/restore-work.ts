import { hash } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { BerthError } from '@berth/core/error'
import { decompressFrame } from './frame.ts'
import type { Frame } from './manifest.ts'
import { type FileEntry, type TreePath, fileSystemPath } from './tree.ts'

/** What a chunk must be before anything in it is used. */
export interface ChunkToCheck {
  /** For messages. */
  key: string
  data: Uint8Array
  sha256: string
  frames: Frame[]
}

export interface FileInFrame extends FileEntry {
  frame: number
  offset: number
}

/** Who restores: decides which owners and set-id bits can be given back. */
export interface Restorer {
  isRoot: boolean
  /** The owner that new files get here. */
  uid: number
  gid: number
  umask: number
}

export type RestoreTask =
  | {
      kind: 'restore-group'
      root: string
      chunk: ChunkToCheck
      files: FileInFrame[]
      restorer: Restorer
    }
  | {
      kind: 'restore-segment'
      root: string
      chunk: ChunkToCheck
      path: TreePath
      position: number
      sparse: boolean
    }
  | { kind: 'check-chunk'; chunk: ChunkToCheck }

export interface RestoreTaskResult {
  /** Bytes of files written. */
  bytes: number
}

export function performRestore(task: RestoreTask): RestoreTaskResult {
  checkSum(task.chunk)
  try {
    switch (task.kind) {
      case 'restore-group':
        return restoreGroup(task)
      case 'restore-segment':
        return restoreSegment(task)
      case 'check-chunk':
        return checkFrames(task.chunk)
    }
  } catch (error) {
    if (error instanceof BerthError)
      throw new BerthError(error.code, `${error.message} in ${task.chunk.key}`, { cause: error })
    throw error
  }
}

function checkSum(chunk: ChunkToCheck): void {
  const sha256 = hash('sha256', chunk.data, 'hex')
  if (sha256 === chunk.sha256) return
  throw new BerthError(
    'archive/corrupt-chunk',
    `${chunk.key} is damaged: its bytes have the sha256 ${sha256}`,
    {
      hint: 'run `berth archive verify` to see what else is, and restore an older generation with `--at`',
    },
  )
}

/** A frame's raw bytes, by the sizes that the manifest gives. */
function openFrame(chunk: ChunkToCheck, index: number): Buffer {
  let start = 0
  for (const frame of chunk.frames.slice(0, index)) start += frame.stored
  const frame = chunk.frames[index] as Frame
  return decompressFrame(chunk.data.subarray(start, start + frame.stored), frame.raw)
}

function restoreGroup(task: RestoreTask & { kind: 'restore-group' }): RestoreTaskResult {
  let bytes = 0
  let open = -1
  let raw: Buffer = Buffer.alloc(0)
  for (const file of task.files) {
    if (file.frame !== open) {
      raw = openFrame(task.chunk, file.frame)
      open = file.frame
    }
    writeFile(task.root, file, {
      content: raw.subarray(file.offset, file.offset + file.size),
      restorer: task.restorer,
    })
    bytes += file.size
  }
  return { bytes }
}

/** Exactly open, write, futimes and close for an ordinary file: every further call counts fifty thousand times. */
function writeFile(
  root: string,
  file: FileEntry,
  source: { content: Uint8Array; restorer: Restorer },
): void {
  const fd = createFile(root, file.path, file.mode)
  try {
    if (file.sparse) writeSparse(fd, source.content, 0)
    else if (file.size > 0) writeAll(fd, source.content, 0)
    if (file.sparse) ftruncateSync(fd, file.size)
    const { restorer } = source
    finishFile(fd, file, { restorer, made: modeOfNew(file.mode, restorer) })
  } finally {
    closeSync(fd)
  }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** An interrupted restore that is continued may have left the file half written: it is made anew. */
function createFile(root: string, path: TreePath, mode: number): number {
  const at = fileSystemPath(root, path)
  try {
    return openSync(at, CREATE, mode & 0o777)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    unlinkSync(at)
    return openSync(at, CREATE, mode & 0o777)
  }
}

/** Owner, then mode (a change of owner clears the set-id bits), then times. `made` is the mode that it has so far, if that is known. */
export function finishFile(
  fd: number,
  file: FileEntry,
  { restorer, made }: { restorer: Restorer; made?: number },
): void {
  const ownerKept = giveOwner(fd, file, restorer)
  const mode = ownerKept ? file.mode : file.mode & ~0o6000
  if (made !== mode || (restorer.isRoot && isForeign(file, restorer))) fchmodSync(fd, mode)
  futimesSync(fd, file.mtime / 1e6, file.mtime / 1e6)
}

/** The mode that open(2) gives a new file. */
export function modeOfNew(mode: number, { umask }: Restorer): number {
  return mode & 0o777 & ~umask
}

function isForeign(file: FileEntry, restorer: Restorer): boolean {
  return file.uid !== restorer.uid || file.gid !== restorer.gid
}

/** Answers whether the file now has the owner it had. Without root that is so only where new files get it anyway. */
function giveOwner(fd: number, file: FileEntry, restorer: Restorer): boolean {
  if (!isForeign(file, restorer)) return true
  if (!restorer.isRoot) return false
  try {
    fchownSync(fd, file.uid, file.gid)
    return true
  } catch (error) {
    // Root of a user namespace, or a volume that squashes owners.
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EPERM' || code === 'EINVAL') return false
    throw error
  }
}

/** Writes one segment at its place in a file that has its full length already. */
function restoreSegment(task: RestoreTask & { kind: 'restore-segment' }): RestoreTaskResult {
  const fd = openSync(
    fileSystemPath(task.root, task.path),
    constants.O_WRONLY | constants.O_NOFOLLOW,
  )
  let position = task.position
  try {
    for (const index of task.chunk.frames.keys()) {
      const raw = openFrame(task.chunk, index)
      if (task.sparse) writeSparse(fd, raw, position)
      else writeAll(fd, raw, position)
      position += raw.length
    }
    if (fstatSync(fd).size < position) throw new Error(`${task.path} was cut while it was restored`)
  } finally {
    closeSync(fd)
  }
  return { bytes: position - task.position }
}

function checkFrames(chunk: ChunkToCheck): RestoreTaskResult {
  let bytes = 0
  for (const index of chunk.frames.keys()) bytes += openFrame(chunk, index).length
  return { bytes }
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
