import { hash } from 'node:crypto'
import { BerthError } from '@berth/core/error'
import { damageHint } from '../format/damage-hint.ts'
import { chunkKey } from '../format/format.ts'
import type { Chunk, StoredFile } from '../format/manifest.ts'
import { createFrameDecoder } from '../restore/frame-decoder.ts'
import { fetchChunk } from '../restore/restore-tree.ts'
import type { ArchiveOptions } from '../options.ts'
import type { Member } from './pack-group.ts'

/** The first file of each content that lies in some groups, by chunk, frame and offset. */
export type Wanted = Map<string, StoredFile & { place: { kind: 'group' } }>

/** Where a file's content lies in a group, as a key. */
export function groupKey(place: { chunk: number; frame: number; offset: number }): string {
  return `${place.chunk}:${place.frame}:${place.offset}`
}

/** The first file of each content that lies in these groups. */
export function findWanted(files: readonly StoredFile[], groups: ReadonlySet<number>): Wanted {
  const wanted: Wanted = new Map()
  for (const { place, ...file } of files) {
    if (place.kind !== 'group' || !groups.has(place.chunk)) continue
    const key = groupKey(place)
    if (!wanted.has(key)) wanted.set(key, { ...file, place })
  }
  return wanted
}

/**
 * Fetches groups whole and takes out what is wanted of them, in the order in which it is wanted. The store's own bytes vouch for
 * themselves: they are used when they have the sha256 that the manifest says. Throws `archive/missing-chunk` and
 * `archive/corrupt-chunk`.
 */
export async function readLive(
  options: ArchiveOptions,
  { chunks, wanted }: { chunks: ReadonlyMap<number, Chunk>; wanted: Wanted },
): Promise<Member[]> {
  const files = [...wanted.values()]
  const room = Buffer.allocUnsafeSlow(files.reduce((sum, { size }) => sum + size, 0))
  const content = new Map<string, Uint8Array>()
  let at = 0
  for (const [number, chunk] of chunks) {
    options.signal?.throwIfAborted()
    const own = files.filter(({ place }) => place.chunk === number)
    const data = await fetchChunk(options, chunk)
    requireSum(chunk, data)
    for (const [frame, bytes] of framesOf(chunk, data, own)) {
      for (const { place, size } of own) {
        if (place.frame !== frame) continue
        room.set(bytes.subarray(place.offset, place.offset + size), at)
        content.set(groupKey(place), room.subarray(at, at + size))
        at += size
      }
    }
  }
  return files.map((file) => ({ file, content: content.get(groupKey(file.place)) as Uint8Array }))
}

const decode = createFrameDecoder()

/** The frames that hold something of these files, decoded; each is overwritten by the next. */
function* framesOf(
  chunk: Chunk,
  data: Uint8Array,
  files: readonly { place: { frame: number } }[],
): Generator<[number, Uint8Array]> {
  const needed = new Set(files.map(({ place }) => place.frame))
  let start = 0
  for (const [index, { stored, raw }] of chunk.frames.entries()) {
    if (needed.has(index)) yield [index, decode(data.subarray(start, start + stored), raw)]
    start += stored
  }
}

function requireSum({ sha256, kind }: Chunk, data: Uint8Array): void {
  const found = hash('sha256', data, 'hex')
  if (found === sha256) return
  throw new BerthError(
    'archive/corrupt-chunk',
    `${chunkKey(sha256, kind)} is damaged: its bytes have the sha256 ${found}`,
    { hint: damageHint() },
  )
}
