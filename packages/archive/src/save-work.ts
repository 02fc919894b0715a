import { createHash, hash } from 'node:crypto'
import { type Stats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { FRAME_BYTES, SEGMENT_BYTES, SEGMENT_FRAME_BYTES, SMALL_FILE_BYTES } from './format.ts'
import { type CompressionLevel, compressFrame } from './frame.ts'
import type { Frame } from './manifest.ts'
import { micros } from './scan-directory.ts'
import type { ScanTask } from './scan.ts'
import type { ScannedBatch } from './scan-work.ts'
import { TAR_END, tarHeader } from './tar-member.ts'
import { tarPadding } from './tar-layout.ts'
import { type FileEntry, type TreePath, fileSystemPath } from './tree.ts'
import { whyUnread } from './unread.ts'

/** What the saving side asks of a worker. Files are read without following a link as the last component. */
export type SaveTask = ScanTask | ContentTask

export type SaveTaskResult = ScannedBatch | ContentResult

export type ContentTask =
  | { kind: 'hash-files'; root: string; paths: TreePath[]; bytes: number }
  | { kind: 'hash-segments'; root: string; path: TreePath; size: number }
  | { kind: 'make-group'; root: string; files: FileEntry[]; level: CompressionLevel }
  | { kind: 'make-segment'; root: string; file: FileEntry; start: number; level: CompressionLevel }

export type ContentResult = HashedFiles | MadeGroup | MadeSegment

export interface HashedFiles {
  /** One for each path, or `undefined` where it could not be read. */
  hashes: (string | undefined)[]
}

/** What became of one file of a group: its attributes as they were when it was read, or why it isn't in the group. */
export type GroupedFile =
  | { read: true; file: FileEntry; frame: number; offset: number; hash: string }
  /** `gone`: it isn't there any more, or is no regular file. */
  | { read: false; path: TreePath; reason: string }

export interface MadeChunk {
  data: Uint8Array
  sha256: string
  frames: Frame[]
}

export interface MadeGroup extends MadeChunk {
  files: GroupedFile[]
}

export interface MadeSegment extends MadeChunk {
  hash: string
  /** Size or mtime are not what the scan saw: the file as a whole can't be trusted. */
  changed: boolean
}

export function performSave(task: ContentTask): ContentResult {
  switch (task.kind) {
    case 'hash-files':
      return { hashes: task.paths.map((path) => hashSmallFile(task.root, path)) }
    case 'hash-segments':
      return { hashes: hashSegments(task.root, task.path, task.size) }
    case 'make-group':
      return makeGroup(task)
    case 'make-segment':
      return makeSegment(task)
  }
}

/** Half of a sha256: 128 bits are beyond accidental collision, and half the bytes to keep. */
function contentHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 32)
}

function hashSmallFile(root: string, path: TreePath): string | undefined {
  const bytes = scratchOf(2 * SMALL_FILE_BYTES)
  const content = readSmallFile(root, path, bytes)
  return content.read ? contentHash(bytes.subarray(0, content.size)) : undefined
}

function hashRange(fd: number, start: number, length: number): string {
  const digest = createHash('sha256')
  for (let done = 0; done < length; done += SCRATCH_BYTES) {
    const part = Math.min(SCRATCH_BYTES, length - done)
    digest.update(readInto(fd, start + done, scratchOf(part).subarray(0, part)))
  }
  return digest.digest('hex').slice(0, 32)
}

function hashSegments(root: string, path: TreePath, size: number): (string | undefined)[] {
  const hashes: (string | undefined)[] = []
  for (let start = 0; start < size; start += SEGMENT_BYTES) {
    try {
      hashes.push(
        withFile(root, path, (fd) => hashRange(fd, start, Math.min(SEGMENT_BYTES, size - start))),
      )
    } catch {
      // Unreadable is not equal: the file is treated as new, and the attempt to store it says what is wrong.
      hashes.push(undefined)
    }
  }
  return hashes
}

// A frame is closed before it would pass FRAME_BYTES, unless one file is larger; a file that grows may be twice SMALL_FILE_BYTES.
const HEADER_ROOM = 64 * 1024
const SCRATCH_BYTES = FRAME_BYTES + 2 * SMALL_FILE_BYTES + HEADER_ROOM
let scratch: Buffer | undefined

/** One for all frames of this thread: what was thrown away after each would take hundreds of megabytes before it is collected. */
function scratchOf(bytes: number): Buffer {
  if (scratch === undefined || scratch.length < bytes)
    scratch = Buffer.allocUnsafeSlow(Math.max(bytes, SCRATCH_BYTES))
  return scratch
}

function makeGroup(task: ContentTask & { kind: 'make-group' }): MadeGroup {
  const files: GroupedFile[] = []
  const frames: Frame[] = []
  const stored: Buffer[] = []
  const raw = scratchOf(SCRATCH_BYTES)
  let filled = 0
  const flush = (): void => {
    const frame = compressFrame(raw.subarray(0, filled), task.level)
    frames.push({ stored: frame.length, raw: filled })
    stored.push(frame)
    filled = 0
  }
  for (const wanted of task.files) {
    // The header's length does not depend on what is read, unless the file grew.
    if (filled > 0 && filled + wanted.size > FRAME_BYTES) flush()
    const start = filled + tarHeader(wanted).length
    const content = readSmallFile(task.root, wanted.path, raw.subarray(start))
    if (!content.read) {
      files.push({ read: false, path: wanted.path, reason: content.reason })
      continue
    }
    const file = { ...wanted, size: content.size, mtime: micros(content.stats.mtimeMs) }
    const header = tarHeader(file)
    const offset = filled + header.length
    if (offset !== start) raw.copyWithin(offset, start, start + file.size)
    header.copy(raw, filled)
    const end = offset + file.size
    const padding = tarPadding(file.size)
    raw.fill(0, end, end + padding)
    const hash = contentHash(raw.subarray(offset, end))
    files.push({ read: true, file, frame: frames.length, offset, hash })
    filled = end + padding
  }
  TAR_END.copy(raw, filled)
  filled += TAR_END.length
  flush()
  return { ...seal(stored), frames, files }
}

function makeSegment(task: ContentTask & { kind: 'make-segment' }): MadeSegment {
  return withFile(task.root, task.file.path, (fd) => {
    const end = Math.min(task.start + SEGMENT_BYTES, task.file.size)
    const digest = createHash('sha256')
    const frames: Frame[] = []
    const stored: Buffer[] = []
    let complete = true
    for (let start = task.start; start < end; start += SEGMENT_FRAME_BYTES) {
      const length = Math.min(SEGMENT_FRAME_BYTES, end - start)
      const bytes = readInto(fd, start, scratchOf(length).subarray(0, length))
      if (bytes.length < length) complete = false
      digest.update(bytes)
      const frame = compressFrame(bytes, task.level)
      frames.push({ stored: frame.length, raw: bytes.length })
      stored.push(frame)
    }
    const stats = fstatSync(fd)
    const changed =
      !complete || stats.size !== task.file.size || micros(stats.mtimeMs) !== task.file.mtime
    return { ...seal(stored), frames, hash: digest.digest('hex').slice(0, 32), changed }
  })
}

function seal(frames: Buffer[]): { data: Uint8Array; sha256: string } {
  // A buffer of its own, so that it can be handed over to the main thread without a copy.
  const data = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0))
  let offset = 0
  for (const frame of frames) {
    data.set(frame, offset)
    offset += frame.length
  }
  return { data, sha256: hash('sha256', data, 'hex') }
}

type SmallContent = { read: true; size: number; stats: Stats } | { read: false; reason: string }

/** A file that changes while it is read is read once more; then it is taken as it is, and its mtime makes the next save look again. */
function readSmallFile(root: string, path: TreePath, into: Buffer): SmallContent {
  try {
    return withFile(root, path, (fd) => {
      for (let attempt = 0; ; attempt++) {
        const before = fstatSync(fd)
        if (!before.isFile()) return { read: false, reason: 'gone' }
        if (before.size > 2 * SMALL_FILE_BYTES)
          return { read: false, reason: 'grew while it was read' }
        const { length } = readInto(fd, 0, into.subarray(0, before.size))
        const after = fstatSync(fd)
        const same =
          after.size === before.size && after.mtimeMs === before.mtimeMs && length === before.size
        if (same || attempt > 0) return { read: true, size: length, stats: before }
      }
    })
  } catch (error) {
    return { read: false, reason: whyUnread(error) }
  }
}

function withFile<Result>(root: string, path: TreePath, use: (fd: number) => Result): Result {
  const fd = openSync(
    fileSystemPath(root, path),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  )
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** Fills the buffer from a place on; what comes back is shorter when the file ends earlier. */
function readInto(fd: number, start: number, bytes: Buffer): Buffer {
  let filled = 0
  while (filled < bytes.length) {
    const count = readSync(fd, bytes, filled, bytes.length - filled, start + filled)
    if (count === 0) break
    filled += count
  }
  return bytes.subarray(0, filled)
}
