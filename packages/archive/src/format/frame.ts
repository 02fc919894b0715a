import { zstdDecompressSync } from 'node:zlib'
import { BerthError } from '@berth/core/error'

/**
 * Decodes exactly one frame to exactly `rawBytes` bytes. Throws `archive/corrupt-chunk` for anything else. The output size is given
 * in advance: twice as fast as zlib's default of growing, and a frame that says more than the manifest is caught.
 */
export function decompressFrame(stored: Uint8Array, rawBytes: number): Buffer {
  let raw: Buffer
  try {
    raw = zstdDecompressSync(stored, {
      chunkSize: Math.max(64, rawBytes + 64),
      maxOutputLength: rawBytes + 64,
    })
  } catch (cause) {
    throw new BerthError(
      'archive/corrupt-chunk',
      `a frame does not decode: ${(cause as Error).message}`,
      { cause },
    )
  }
  if (raw.length !== rawBytes) {
    throw new BerthError(
      'archive/corrupt-chunk',
      `a frame holds ${raw.length} bytes instead of ${rawBytes}`,
    )
  }
  return raw
}

const MAGIC = 0xfd2fb528

/** What a frame says of its size when decoded (RFC 8878, 3.1.1.1): `undefined` where it says nothing. */
export function zstdContentSize(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (frame.length < 18 || view.getUint32(0, true) !== MAGIC) return undefined
  const descriptor = view.getUint8(4)
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? view.getUint8(at) : undefined
    case 1:
      return view.getUint16(at, true) + 256
    case 2:
      return view.getUint32(at, true)
    default:
      return Number(view.getBigUint64(at, true))
  }
}
