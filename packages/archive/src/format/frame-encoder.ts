import { type ZstdOptions, constants, createZstdCompress, zstdCompressSync } from 'node:zlib'

export type CompressionLevel = 'fast' | 'normal'

// Level 3 is about a tenth smaller than level 1 at half its speed, and decodes as fast.
const LEVELS: Record<CompressionLevel, number> = { fast: 1, normal: 3 }

/** Every level that a chunk may have been made with. */
export const COMPRESSION_LEVELS = Object.keys(LEVELS) as CompressionLevel[]

/** What a stream of zlib's is made of below its documented surface. */
interface Compressor {
  _outBuffer?: Buffer
  _outOffset?: number
  _chunkSize?: number
  _processChunk?: (chunk: Uint8Array, flush: number) => Buffer
}

// zlib wants room for one more byte than there is, to see that nothing follows; less than 64 it refuses.
const SPARE = 64

/** The most that a frame of so many bytes takes, and what zlib wants beside it: zstd's own bound for any size (ZSTD_COMPRESSBOUND), rounded up. */
export function frameRoom(rawBytes: number): number {
  return rawBytes + (rawBytes >> 8) + 1024 + SPARE
}

/**
 * One zstd frame (RFC 8878) with its content checksum: without that flag a flipped byte can decode to other bytes without an error.
 * Equal bytes and levels make equal frames.
 */
export function compressFrame(raw: Uint8Array, level: CompressionLevel): Buffer {
  const room = Buffer.allocUnsafeSlow(frameRoom(raw.length))
  return room.subarray(0, compressFrameInto(room, raw, level))
}

/**
 * The same into memory that is there; answers the length. New memory for each frame would pile up to hundreds of megabytes before the
 * first is collected. `room` has at least `frameRoom` bytes: zstd compresses in one pass only where the worst case fits.
 */
export function compressFrameInto(
  room: Uint8Array,
  raw: Uint8Array,
  level: CompressionLevel,
): number {
  const settings: ZstdOptions = {
    // Otherwise the frame would not say how long it is, and be made for one of any length.
    pledgedSrcSize: raw.length,
    params: {
      [constants.ZSTD_c_compressionLevel]: LEVELS[level],
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  }
  const stream = createZstdCompress({ ...settings, chunkSize: SPARE })
  const compressor = stream as unknown as Compressor
  if (compressor._processChunk === undefined || compressor._outBuffer === undefined) {
    const frame = zstdCompressSync(raw, { ...settings, chunkSize: frameRoom(raw.length) })
    room.set(frame)
    return frame.length
  }
  compressor._outBuffer = Buffer.from(room.buffer, room.byteOffset, room.byteLength)
  compressor._outOffset = 0
  compressor._chunkSize = room.byteLength
  return compressor._processChunk(raw, constants.ZSTD_e_end).length
}
