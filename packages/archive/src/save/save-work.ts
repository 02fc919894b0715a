import { createHash, hash } from 'node:crypto'
import { type Stats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import {
  FRAME_BYTES,
  SEGMENT_BYTES,
  SEGMENT_FRAME_BYTES,
  SMALL_FILE_BYTES,
} from '../format/format.ts'
import { type CompressionLevel, compressFrameInto, frameRoom } from '../format/frame-encoder.ts'
import type { Frame } from '../format/manifest.ts'
import { type GroupFiles, type GroupPlaces, createPlaces, unpackFiles } from './group-columns.ts'
import { micros } from '../scan/scan-directory.ts'
import type { ScanTask } from '../scan/scan.ts'
import type { ScannedBatch } from '../scan/scan-work.ts'
import { TAR_END, tarHeaderLength, writeTarHeader } from '../format/tar-member.ts'
import { tarPadding } from '../format/tar-layout.ts'
import { type FileEntry, type TreePath, fileSystemPath } from '../format/tree.ts'
import { whyUnread } from '../scan/unread.ts'

/** What the saving side asks of a worker. Files are read without following a link as the last component. */
export type SaveTask = ScanTask | ContentTask

export type SaveTaskResult = ScannedBatch | ContentResult

export type ContentTask =
  | { kind: 'hash-files'; root: string; paths: TreePath[]; bytes: number }
  | { kind: 'hash-segments'; root: string; path: TreePath; size: number }
  | (MakeTask & { kind: 'make-group'; files: GroupFiles; bytes: number })
  | (MakeTask & { kind: 'make-segment'; file: FileEntry; start: number })

interface MakeTask {
  root: string
  level: CompressionLevel
  /** Where the object is made; it is the caller's again when that is done. */
  room: SharedArrayBuffer
}

export type ContentResult = HashedFiles | MadeGroup | MadeSegment

export interface HashedFiles {
  /** One for each path, or `undefined` where it could not be read. */
  hashes: (string | undefined)[]
}

export interface MadeChunk {
  data: Uint8Array
  sha256: string
  frames: Frame[]
}

export interface MadeGroup extends MadeChunk {
  places: GroupPlaces
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
  const places = createPlaces(task.files)
  const object = startObject(task)
  const raw = scratchOf(SCRATCH_BYTES)
  let filled = 0
  const flush = (): void => {
    object.add(raw.subarray(0, filled))
    filled = 0
  }
  for (const wanted of unpackFiles(task.files)) {
    // The header's length does not depend on what is read, unless the file grew.
    if (filled > 0 && filled + wanted.size > FRAME_BYTES) flush()
    const start = filled + tarHeaderLength(wanted)
    const content = readSmallFile(task.root, wanted.path, raw.subarray(start))
    if (!content.read) {
      places.addUnread(content.reason)
      continue
    }
    const file = { ...wanted, size: content.size, mtime: micros(content.stats.mtimeMs) }
    const offset = filled + tarHeaderLength(file)
    if (offset !== start) raw.copyWithin(offset, start, start + file.size)
    writeTarHeader(file, raw.subarray(filled))
    const end = offset + file.size
    const padding = tarPadding(file.size)
    raw.fill(0, end, end + padding)
    const hash = contentHash(raw.subarray(offset, end))
    const { size, mtime } = file
    places.add({ size, mtime, frame: object.frames.length, offset }, hash)
    filled = end + padding
  }
  TAR_END.copy(raw, filled)
  filled += TAR_END.length
  flush()
  return { ...object.seal(), places: places.finish() }
}

function makeSegment(task: ContentTask & { kind: 'make-segment' }): MadeSegment {
  return withFile(task.root, task.file.path, (fd) => {
    const end = Math.min(task.start + SEGMENT_BYTES, task.file.size)
    const digest = createHash('sha256')
    const object = startObject(task)
    let complete = true
    for (let start = task.start; start < end; start += SEGMENT_FRAME_BYTES) {
      const length = Math.min(SEGMENT_FRAME_BYTES, end - start)
      const bytes = readInto(fd, start, scratchOf(length).subarray(0, length))
      if (bytes.length < length) complete = false
      digest.update(bytes)
      object.add(bytes)
    }
    const stats = fstatSync(fd)
    const changed =
      !complete || stats.size !== task.file.size || micros(stats.mtimeMs) !== task.file.mtime
    return { ...object.seal(), hash: digest.digest('hex').slice(0, 32), changed }
  })
}

interface StartedObject {
  frames: Frame[]
  /** Adds a frame with these bytes. */
  add: (raw: Uint8Array) => void
  seal: () => MadeChunk
}

/** An object that grows frame by frame in the room that was given, or in one of its own when files have grown out of that. */
function startObject({ level, room: given }: MakeTask): StartedObject {
  const frames: Frame[] = []
  let room: Buffer = Buffer.from(given)
  let length = 0
  return {
    frames,
    add(raw) {
      if (room.length - length < frameRoom(raw.length)) {
        const larger = Buffer.allocUnsafeSlow(2 * room.length + frameRoom(raw.length))
        room.copy(larger, 0, 0, length)
        room = larger
      }
      const stored = compressFrameInto(room.subarray(length), raw, level)
      frames.push({ stored, raw: raw.length })
      length += stored
    },
    seal() {
      const data = new Uint8Array(room.buffer, room.byteOffset, length)
      return { data, sha256: hash('sha256', data, 'hex'), frames }
    },
  }
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
