import { type Chunk, type Manifest, type ReadManifest, storedBytes } from '../format/manifest.ts'
import { TAR_BLOCK, tarPadding } from '../format/tar-layout.ts'

/** What a snapshot's tree uses of one group. */
export interface GroupUse {
  /** The chunk's, in the manifest. */
  number: number
  /** Bytes of the object: a restore fetches all of them. */
  stored: number
  /** How many of those hold nothing that the tree needs; within a frame by their share of the raw bytes. */
  dead: number
  /** Raw bytes of what the tree needs, with its headers in the tar. */
  live: number
}

export interface ChunkUse {
  /** Only groups of which the tree needs something: others are not fetched. */
  groups: GroupUse[]
  /** Of all chunks that the tree needs: segments are needed as a whole. */
  chunks: number
  /** Their stored bytes. */
  fetched: number
}

/** Bytes of the tar's header of a file, by its number. */
export type HeaderSize = (file: number) => number

/** Every name that is not long or odd has one block. */
const ONE_BLOCK: HeaderSize = () => TAR_BLOCK
const TAR_END_BYTES = 2 * TAR_BLOCK

/** Measures what a restore fetches for nothing. Content that several files share counts once. */
export function measureUse(
  manifest: Manifest | ReadManifest,
  headerSize: HeaderSize = ONE_BLOCK,
): ChunkUse {
  const { chunks } = manifest
  const frameBase = startsOf(chunks)
  const live = new Float64Array(frameBase.at(-1) ?? 0)
  const isUsed = new Uint8Array(chunks.length)
  const seen = new Set<number>()
  visitPlaces(manifest, {
    segments: (list) => {
      for (const chunk of list) isUsed[chunk] = 1
    },
    group: ({ file, chunk, frame, offset, size }) => {
      isUsed[chunk] = 1
      const number = (frameBase[chunk] as number) + frame
      const key = number * LARGEST_FRAME + offset
      if (seen.has(key)) return
      seen.add(key)
      live[number] = (live[number] as number) + headerSize(file) + size + tarPadding(size)
    },
  })
  const used = chunks.flatMap((chunk, number) => (isUsed[number] === 1 ? [{ chunk, number }] : []))
  return {
    groups: used.flatMap(({ chunk, number }) => {
      const first = frameBase[number] as number
      const frames = live.subarray(first, first + chunk.frames.length)
      return chunk.kind === 'group' ? [describeUse(chunk, number, frames)] : []
    }),
    chunks: used.length,
    fetched: used.reduce((sum, { chunk }) => sum + storedBytes(chunk), 0),
  }
}

// A place's number is unique: no frame is as long.
const LARGEST_FRAME = 2 ** 30

function describeUse(chunk: Chunk, number: number, live: Float64Array): GroupUse {
  let dead = 0
  for (const [index, { stored, raw }] of chunk.frames.entries()) {
    const isLast = index === chunk.frames.length - 1
    const needed = live[index] as number
    const rest = needed === 0 ? raw : raw - needed - (isLast ? TAR_END_BYTES : 0)
    if (rest > 0) dead += (stored * rest) / raw
  }
  const sum = live.reduce((all, each) => all + each, 0)
  return { number, stored: storedBytes(chunk), dead: Math.round(dead), live: sum }
}

/** Where the frames of each chunk begin, were all numbered through; one more than there are chunks. */
function startsOf(chunks: readonly Chunk[]): Int32Array {
  const starts = new Int32Array(chunks.length + 1)
  for (const [index, { frames }] of chunks.entries())
    starts[index + 1] = (starts[index] as number) + frames.length
  return starts
}

interface PlaceVisitor {
  group: (place: {
    file: number
    chunk: number
    frame: number
    offset: number
    size: number
  }) => void
  segments: (chunks: readonly number[]) => void
}

/** In columns, where there are any: an unchanged tree must not cost an object for each of its files. */
function visitPlaces(manifest: Manifest | ReadManifest, visitor: PlaceVisitor): void {
  const columns = 'columns' in manifest ? manifest.columns : undefined
  if (columns === undefined) {
    for (const [file, { place, size }] of manifest.tree.files.entries())
      if (place.kind === 'group') visitor.group({ file, size, ...place })
      else if (place.kind === 'segments') visitor.segments(place.chunks)
    return
  }
  const { chunk, frame, offset, size, segments } = columns.files
  for (const list of segments.values()) visitor.segments(list)
  for (let file = 0; file < chunk.length; file++)
    if ((chunk[file] as number) >= 0)
      visitor.group({
        file,
        chunk: chunk[file] as number,
        frame: frame[file] as number,
        offset: offset[file] as number,
        size: size[file] as number,
      })
}
