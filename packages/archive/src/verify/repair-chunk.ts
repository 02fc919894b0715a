import { hash } from 'node:crypto'
import { isBerthError } from '@berth/core/error'
import { NAMES_TRIED, withSkippedFrame } from '../prune/condemned.ts'
import { decompressFrame } from '../format/frame.ts'
import { COMPRESSION_LEVELS, compressFrame } from '../format/frame-encoder.ts'
import { type Chunk, type StoredFile, rawSize } from '../format/manifest.ts'
import type { RepairSource } from './repair-source.ts'
import { tarPadding } from '../format/tar-layout.ts'
import { TAR_END, tarHeader } from '../format/tar-member.ts'

/** A chunk that is missing or damaged, and what is known of its content. */
export interface BrokenChunk {
  chunk: Chunk
  /** Files of a group, as the oldest snapshot that holds each knows it. */
  members: StoredFile[]
  /** Files that a segment is a part of. */
  owners: { file: StoredFile; index: number }[]
  /** Content hashes by `frame:offset`, or by the empty string for a segment. */
  hashes: ReadonlyMap<string, string>
  /** What is in the store under its name, if anything is. */
  stored: Uint8Array | undefined
}

/** The raw bytes of each frame; `undefined` where they are not at hand. */
export type RawFrames = (Buffer | undefined)[]

/**
 * The raw bytes of a chunk's frames: those that are whole in the damaged object, else as the local content gives them. Files are found
 * by their content's hash.
 */
export function collectFrames(broken: BrokenChunk, source: RepairSource): RawFrames {
  const { chunk } = broken
  const local = chunk.kind === 'group' ? groupFrames(broken, source) : segmentFrames(broken, source)
  return chunk.frames.map((_, index) => wholeFrame(broken, index) ?? local[index])
}

/** A frame whose place in the damaged object is as it was: zstd's own checksum vouches for it. */
function wholeFrame({ chunk, stored }: BrokenChunk, index: number): Buffer | undefined {
  const frame = chunk.frames[index]
  if (stored === undefined || frame === undefined) return undefined
  const start = chunk.frames.slice(0, index).reduce((sum, before) => sum + before.stored, 0)
  if (stored.length < start + frame.stored) return undefined
  try {
    return decompressFrame(stored.subarray(start, start + frame.stored), frame.raw)
  } catch (error) {
    if (isBerthError(error)) return undefined
    throw error
  }
}

function segmentFrames({ chunk, owners, hashes }: BrokenChunk, source: RepairSource): RawFrames {
  for (const { file, index } of owners) {
    const wanted = { path: file.path, size: file.size, hash: hashes.get(''), index }
    const bytes = source.findSegment(wanted)
    if (bytes?.length !== rawSize(chunk)) continue
    let start = 0
    return chunk.frames.map(({ raw }) => bytes.subarray(start, (start += raw)))
  }
  return []
}

function groupFrames(broken: BrokenChunk, source: RepairSource): RawFrames {
  return broken.chunk.frames.map((_, index) => groupFrame(broken, source, index))
}

/** Header, content and padding of each member, without a gap; content that no snapshot knows any more leaves one. */
function groupFrame(
  { chunk, members, hashes }: BrokenChunk,
  source: RepairSource,
  index: number,
): Buffer | undefined {
  const parts: Uint8Array[] = []
  let at = 0
  for (const file of members) {
    const { place } = file
    if (place.kind !== 'group' || place.frame !== index) continue
    const path = place.member ?? file.path
    const header = tarHeader({ ...file, path })
    const key = `${place.frame}:${place.offset}`
    const content = source.findFile({ path: file.path, size: file.size, hash: hashes.get(key) })
    if (at + header.length !== place.offset || content?.length !== file.size) return undefined
    parts.push(header, content, Buffer.alloc(tarPadding(file.size)))
    at = place.offset + file.size + tarPadding(file.size)
  }
  const isLast = index === chunk.frames.length - 1
  if (isLast) parts.push(TAR_END)
  const raw = Buffer.concat(parts)
  return raw.length === chunk.frames[index]?.raw ? raw : undefined
}

/** The very object, when all of its content is at hand and this zstd makes the same bytes of it. */
export function rebuildChunk(broken: BrokenChunk, frames: RawFrames): Uint8Array | undefined {
  const { chunk } = broken
  if (frames.includes(undefined) || frames.length !== chunk.frames.length) return undefined
  for (const level of COMPRESSION_LEVELS) {
    const stored = frames.map((raw) => compressFrame(raw ?? Buffer.alloc(0), level))
    const made = { data: new Uint8Array(Buffer.concat(stored)), sha256: '', frames: chunk.frames }
    if (hash('sha256', made.data, 'hex') === chunk.sha256) return made.data
    for (let number = 1; number < NAMES_TRIED; number++) {
      const renamed = withSkippedFrame(made, BigInt(number))
      if (renamed.sha256 === chunk.sha256) return renamed.data
    }
  }
  return undefined
}
