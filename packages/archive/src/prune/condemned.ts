import { hash, randomBytes } from 'node:crypto'
import { isBerthError } from '@berth/core/error'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { type ChunkKind, chunkKey } from '../format/format.ts'
import type { Frame } from '../format/manifest.ts'
import { readMarks } from './prune-mark.ts'

/** Keys that a prune has marked, or removed not long ago: no save may rely on what lies, or will lie, under them. */
export interface Condemned {
  has(key: string): boolean
}

/** What a store's prunes have marked; everything, where a mark can't be read. */
export async function readCondemned(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<Condemned> {
  try {
    const marks = await readMarks(store, options)
    return new Set(marks.flatMap(({ mark }) => mark.objects))
  } catch (error) {
    if (!isBerthError(error) || !error.code.startsWith('archive/')) throw error
    return { has: () => true }
  }
}

/** How many names of one content follow from it alone, so that a repair can find them again. */
export const NAMES_TRIED = 4

type Made = { data: Uint8Array; sha256: string; frames: Frame[] }

/** The same chunk under a name that is not condemned. */
export function renameCondemned<Chunk extends Made>(
  made: Chunk,
  kind: ChunkKind,
  condemned: Condemned,
): Chunk {
  const isCondemned = ({ sha256 }: Made) => condemned.has(chunkKey(sha256, kind))
  let renamed = made
  for (let number = 1; number < NAMES_TRIED && isCondemned(renamed); number++)
    renamed = withSkippedFrame(made, BigInt(number))
  return isCondemned(renamed) ? withSkippedFrame(made, randomBytes(8).readBigUInt64LE()) : renamed
}

const SKIPPABLE_MAGIC = 0x184d2a50
const HEADER_BYTES = 8
const NUMBER_BYTES = 8

/**
 * A chunk with a number behind its last frame, in a frame that decoders skip (RFC 8878, 3.1.2): the same content with another sha256.
 */
export function withSkippedFrame<Chunk extends Made>(made: Chunk, number: bigint): Chunk {
  const skipped = Buffer.alloc(HEADER_BYTES + NUMBER_BYTES)
  skipped.writeUInt32LE(SKIPPABLE_MAGIC, 0)
  skipped.writeUInt32LE(NUMBER_BYTES, 4)
  skipped.writeBigUInt64LE(number, HEADER_BYTES)
  const data = new Uint8Array(made.data.length + skipped.length)
  data.set(made.data)
  data.set(skipped, made.data.length)
  const last = made.frames.length - 1
  const frames = made.frames.map((frame, index) =>
    index === last ? { ...frame, stored: frame.stored + skipped.length } : frame,
  )
  return { ...made, data, sha256: hash('sha256', data, 'hex'), frames }
}
