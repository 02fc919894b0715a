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
  | { kind: 'hash-files'; root: string; paths: TreePath[] }
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
  const content = readSmallFile(root, path)
  return content.read ? contentHash(content.bytes) : undefined
}

function hashSegments(root: string, path: TreePath, size: number): (string | undefined)[] {
  const hashes: (string | undefined)[] = []
  for (let start = 0; start < size; start += SEGMENT_BYTES) {
    try {
      hashes.push(
        withFile(root, path, (fd) =>
          contentHash(readAt(fd, start, Math.min(SEGMENT_BYTES, size - start))),
        ),
      )
    } catch {
      // Unreadable is not equal: the file is treated as new, and the attempt to store it says what is wrong.
      hashes.push(undefined)
    }
  }
  return hashes
}

function makeGroup(task: ContentTask & { kind: 'make-group' }): MadeGroup {
  const files: GroupedFile[] = []
  const frames: Frame[] = []
  const stored: Buffer[] = []
  let parts: Uint8Array[] = []
  let raw = 0
  const flush = (): void => {
    const frame = compressFrame(Buffer.concat(parts, raw), task.level)
    frames.push({ stored: frame.length, raw })
    stored.push(frame)
    parts = []
    raw = 0
  }
  for (const wanted of task.files) {
    const content = readSmallFile(task.root, wanted.path)
    if (!content.read) {
      files.push({ read: false, path: wanted.path, reason: content.reason })
      continue
    }
    const file = { ...wanted, size: content.bytes.length, mtime: micros(content.stats.mtimeMs) }
    if (raw > 0 && raw + file.size > FRAME_BYTES) flush()
    const header = tarHeader(file)
    files.push({
      read: true,
      file,
      frame: frames.length,
      offset: raw + header.length,
      hash: contentHash(content.bytes),
    })
    parts.push(header, content.bytes, Buffer.alloc(tarPadding(file.size)))
    raw += header.length + file.size + tarPadding(file.size)
  }
  parts.push(TAR_END)
  raw += TAR_END.length
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
      const bytes = readAt(fd, start, length)
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

type SmallContent = { read: true; bytes: Buffer; stats: Stats } | { read: false; reason: string }

/** A file that changes while it is read is read once more; then it is taken as it is, and its mtime makes the next save look again. */
function readSmallFile(root: string, path: TreePath): SmallContent {
  try {
    return withFile(root, path, (fd) => {
      for (let attempt = 0; ; attempt++) {
        const before = fstatSync(fd)
        if (!before.isFile()) return { read: false, reason: 'gone' }
        if (before.size > 2 * SMALL_FILE_BYTES)
          return { read: false, reason: 'grew while it was read' }
        const bytes = readAt(fd, 0, before.size)
        const after = fstatSync(fd)
        const same =
          after.size === before.size &&
          after.mtimeMs === before.mtimeMs &&
          bytes.length === before.size
        if (same || attempt > 0) return { read: true, bytes, stats: before }
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

/** Shorter than asked when the file ends earlier. */
function readAt(fd: number, start: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, start + filled)
    if (count === 0) break
    filled += count
  }
  return filled === length ? bytes : bytes.subarray(0, filled)
}
