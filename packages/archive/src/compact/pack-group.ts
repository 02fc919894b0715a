import { hash } from 'node:crypto'
import { FRAME_BYTES } from '../format/format.ts'
import { compressFrameInto, frameRoom } from '../format/frame-encoder.ts'
import type { Frame, StoredFile } from '../format/manifest.ts'
import { tarPadding } from '../format/tar-layout.ts'
import { TAR_END, tarHeader } from '../format/tar-member.ts'

/** A file with its content. */
export interface Member {
  file: StoredFile
  content: Uint8Array
}

export interface PackedGroup {
  /** Overwritten by the next group. */
  data: Uint8Array
  sha256: string
  frames: Frame[]
  /** One for each member, with half a sha256 of its content. */
  places: { frame: number; offset: number; hash: string }[]
}

/** Packs one group after another in the same memory; each is the object that a save would make of files with this content. */
export function createPacker(): (members: readonly Member[]) => PackedGroup {
  let raw: Buffer = Buffer.alloc(0)
  let room: Buffer = Buffer.alloc(0)
  return (members) => {
    const frames: Frame[] = []
    const places: PackedGroup['places'] = []
    let length = 0
    const batches = framesOf(members)
    for (const [index, batch] of batches.entries()) {
      const end = index === batches.length - 1 ? TAR_END : Buffer.alloc(0)
      const bytes = batch.reduce((sum, part) => sum + part.header.length + padded(part), end.length)
      raw = withRoom(raw, bytes, 0)
      let at = 0
      for (const { header, content } of batch) {
        raw.set(header, at)
        at += header.length
        raw.set(content, at)
        places.push({ frame: index, offset: at, hash: halfHash(content) })
        const padding = tarPadding(content.length)
        at += content.length + padding
        raw.fill(0, at - padding, at)
      }
      raw.set(end, at)
      room = withRoom(room, length + frameRoom(bytes), length)
      const stored = compressFrameInto(room.subarray(length), raw.subarray(0, bytes), 'normal')
      frames.push({ stored, raw: bytes })
      length += stored
    }
    const data = new Uint8Array(room.buffer, room.byteOffset, length)
    return { data, sha256: hash('sha256', data, 'hex'), frames, places }
  }
}

interface Part extends Member {
  header: Buffer
}

function padded({ content }: Member): number {
  return content.length + tarPadding(content.length)
}

/** A frame is closed before it would pass its size, unless one file is larger. */
function framesOf(members: readonly Member[]): Part[][] {
  const frames: Part[][] = []
  let bytes = Infinity
  for (const member of members) {
    const part = { ...member, header: tarHeader(member.file) }
    const size = part.header.length + padded(part)
    if (bytes + size > FRAME_BYTES) {
      frames.push([])
      bytes = 0
    }
    frames.at(-1)?.push(part)
    bytes += size
  }
  return frames
}

function halfHash(content: Uint8Array): string {
  return hash('sha256', content, 'hex').slice(0, 32)
}

/** At least so many bytes, with the first `kept` of those that are there. */
function withRoom(buffer: Buffer, bytes: number, kept: number): Buffer {
  if (buffer.length >= bytes) return buffer
  const larger = Buffer.allocUnsafeSlow(Math.max(bytes, 2 * buffer.length))
  buffer.copy(larger, 0, 0, kept)
  return larger
}
