import { constants, createZstdDecompress } from 'node:zlib'
import { BerthError } from '@berth/core/error'
import { decompressFrame } from '../format/frame.ts'

/** What a stream of zlib's is made of below its documented surface. */
interface Decompressor {
  _outBuffer?: Buffer
  _outOffset?: number
  _chunkSize?: number
  _processChunk?: (chunk: Uint8Array, flush: number) => Buffer
}

// zlib wants room for one more byte than there is, to see that nothing follows.
const SPARE = 64

/**
 * Decodes frames one after another into the same memory: new memory for each would be touched for the first time, which on a virtual
 * machine costs more than the decoding. What one call answers is overwritten by the next.
 */
export function createFrameDecoder(): (stored: Uint8Array, rawBytes: number) => Buffer {
  let room = Buffer.alloc(0)
  return (stored, rawBytes) => {
    const stream = createZstdDecompress({ chunkSize: SPARE, maxOutputLength: rawBytes + SPARE })
    const decompressor = stream as unknown as Decompressor
    if (decompressor._processChunk === undefined || decompressor._outBuffer === undefined)
      return decompressFrame(stored, rawBytes)
    if (room.length < rawBytes + SPARE) room = Buffer.allocUnsafeSlow(rawBytes + SPARE)
    decompressor._outBuffer = room.subarray(0, rawBytes + SPARE)
    decompressor._outOffset = 0
    decompressor._chunkSize = rawBytes + SPARE
    let raw: Buffer
    try {
      raw = decompressor._processChunk(stored, constants.ZSTD_e_end)
    } catch (cause) {
      throw corrupt(`a frame does not decode: ${(cause as Error).message}`, cause)
    }
    if (raw.length === rawBytes) return raw
    throw corrupt(`a frame holds ${raw.length} bytes instead of ${rawBytes}`)
  }
}

function corrupt(message: string, cause?: unknown): BerthError {
  return new BerthError('archive/corrupt-chunk', message, cause === undefined ? {} : { cause })
}
