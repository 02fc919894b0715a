import { pipeline } from 'node:stream'
import { Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const HEADER_BYTES_BEFORE_SIZE = 4
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const DICTIONARY_BYTES = [0, 1, 2, 4]

/**
 * Decodes zstd data of any number of frames (RFC 8878, 3.1): Node's own decoder ends with the first one and says nothing of the rest,
 * which pzstd and `cat` write.
 */
export async function* decodeZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source)
  for (;;) {
    const magic = await reader.peek(HEADER_BYTES_BEFORE_SIZE)
    if (magic.length === 0) return
    if (magic.length < HEADER_BYTES_BEFORE_SIZE) throw new Error('it ends within a zstd frame')
    const number = magic.readUInt32LE()
    if ((number & ~0xf) >>> 0 === SKIPPABLE_MAGIC) {
      const header = await reader.peek(8)
      for await (const _ of reader.take(8 + header.readUInt32LE(4))) {
        // Left out.
      }
      continue
    }
    if (number !== MAGIC) throw new Error('it is no zstd data')
    const decoder = createZstdDecompress()
    pipeline(Readable.from(frameBytes(reader)), decoder, () => {})
    yield* decoder as AsyncIterable<Buffer>
  }
}

/** The bytes of one frame, found by the sizes of its blocks. */
async function* frameBytes(reader: ByteReader): AsyncGenerator<Buffer> {
  const descriptor = (await reader.peek(5))[4] ?? 0
  const isSingle = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const header =
    5 +
    (isSingle ? 0 : 1) +
    (DICTIONARY_BYTES[descriptor & 3] ?? 0) +
    (sizeFlag === 0 && isSingle ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0))
  yield* reader.take(header)
  for (;;) {
    const block = await reader.peek(3)
    if (block.length < 3) throw new Error('it ends within a zstd frame')
    const word = block.readUIntLE(0, 3)
    const isRepeated = ((word >> 1) & 3) === 1
    yield* reader.take(3 + (isRepeated ? 1 : word >> 3))
    if ((word & 1) === 1) break
  }
  if ((descriptor & 4) !== 0) yield* reader.take(4)
}

class ByteReader {
  private readonly source: AsyncIterator<Uint8Array>
  private rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.source = source[Symbol.asyncIterator]()
  }

  /** The next bytes, fewer only at the end; they stay where they are. */
  async peek(count: number): Promise<Buffer> {
    while (this.rest.length < count) {
      const { value, done } = await this.source.next()
      if (done === true) break
      this.rest = Buffer.concat([this.rest, value as Uint8Array])
    }
    return this.rest.subarray(0, count)
  }

  async *take(count: number): AsyncGenerator<Buffer> {
    let left = count
    while (left > 0) {
      if (this.rest.length === 0 && (await this.peek(1)).length === 0)
        throw new Error('it ends within a zstd frame')
      const piece = this.rest.subarray(0, left)
      this.rest = this.rest.subarray(piece.length)
      left -= piece.length
      yield piece
    }
  }
}
