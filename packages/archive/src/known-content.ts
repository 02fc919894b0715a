import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { SEGMENT_BYTES, SMALL_FILE_BYTES, hashesKey } from './format.ts'
import { type Manifest, type Place, rawSize } from './manifest.ts'

/** The content hashes of one chunk: of each file of a group by its place, or of a segment's raw bytes. */
export interface ChunkHashes {
  sha256: string
  /** `frame, offset` of each file; empty for a segment. */
  at: number[]
  /** 32 hex digits each: the first half of a sha256. */
  hashes: string[]
}

interface EncodedHashes {
  format: 1
  chunks: { sha256: string; at: number[]; hashes: string }[]
}

/** The bytes of a `.hashes` object: what a save needs to know again the content that this snapshot's own chunks hold. */
export function encodeHashes(chunks: readonly ChunkHashes[]): Buffer {
  const encoded: EncodedHashes = {
    format: 1,
    chunks: chunks.map((chunk) => ({
      sha256: chunk.sha256,
      at: chunk.at,
      hashes: chunk.hashes.join(''),
    })),
  }
  return zstdCompressSync(Buffer.from(JSON.stringify(encoded)), {
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  })
}

function decodeHashes(bytes: Buffer): ChunkHashes[] {
  const encoded = JSON.parse(zstdDecompressSync(bytes).toString('utf8')) as EncodedHashes
  return encoded.chunks.map(({ sha256, at, hashes }) => ({
    sha256,
    at: Array.from(at),
    hashes: hashes.match(/.{32}/g) ?? [],
  }))
}

/** Content that the parent snapshot holds, so that it need not be uploaded again. */
export interface KnownContent {
  /** Where a small file's content lies; of several equal places the one that this path has already. */
  findFile(hash: string, file: { path: string; size: number }): Place | undefined
  /** The chunk, as a number in the manifest, that holds these raw bytes as a segment. */
  findSegment(hash: string, size: number): number | undefined
}

/**
 * Reads the hashes of the chunks that could hold content of these sizes. An object of hashes that is missing or damaged makes its
 * content unknown: it is uploaded again, nothing is lost.
 */
export async function readKnownContent(
  source: { store: ObjectStore; manifest: Manifest; sizes: ReadonlySet<number> },
  options: RequestOptions = {},
): Promise<KnownContent> {
  const wanted = chunksOfSizes(source.manifest, source.sizes)
  const born = new Set([...wanted].map((chunk) => source.manifest.chunks[chunk]?.born ?? ''))
  const hashes = new Map<string, ChunkHashes>()
  await Promise.all(
    [...born].map(async (snapshot) => {
      const bytes = await source.store.get(hashesKey(source.manifest.archive, snapshot), options)
      for (const chunk of bytes === undefined ? [] : tryDecode(bytes))
        hashes.set(chunk.sha256, chunk)
    }),
  )
  return indexContent(source.manifest, hashes)
}

function tryDecode(bytes: Buffer): ChunkHashes[] {
  try {
    return decodeHashes(bytes)
  } catch {
    // Hashes only save an upload.
    return []
  }
}

function chunksOfSizes(manifest: Manifest, sizes: ReadonlySet<number>): Set<number> {
  const anyLong = [...sizes].some((size) => size > SMALL_FILE_BYTES)
  const chunks = new Set<number>()
  for (const { place, size } of manifest.tree.files) {
    if (place.kind === 'group' && sizes.has(size)) chunks.add(place.chunk)
    if (place.kind === 'segments' && anyLong) for (const chunk of place.chunks) chunks.add(chunk)
  }
  return chunks
}

function indexContent(manifest: Manifest, hashes: Map<string, ChunkHashes>): KnownContent {
  const files = new Map<string, Place>()
  const own = new Map<string, { hash: string; size: number; place: Place }>()
  const segments = new Map<string, number>()
  const places = manifest.chunks.map((chunk) => hashesByPlace(hashes.get(chunk.sha256)))
  for (const { path, size, place } of manifest.tree.files) {
    if (place.kind !== 'group') continue
    const hash = places[place.chunk]?.get(`${place.frame}:${place.offset}`)
    if (hash === undefined) continue
    files.set(`${hash}:${size}`, { ...place, member: place.member ?? path })
    own.set(path, { hash, size, place })
  }
  for (const [number, chunk] of manifest.chunks.entries()) {
    const hash = chunk.kind === 'segment' ? hashes.get(chunk.sha256)?.hashes[0] : undefined
    if (hash !== undefined) segments.set(`${hash}:${rawSize(chunk)}`, number)
  }
  return {
    findFile: (hash, { path, size }) => {
      const before = own.get(path)
      return before?.hash === hash && before.size === size
        ? before.place
        : files.get(`${hash}:${size}`)
    },
    findSegment: (hash, size) => segments.get(`${hash}:${size}`),
  }
}

function hashesByPlace(chunk: ChunkHashes | undefined): Map<string, string> {
  const places = new Map<string, string>()
  for (const [index, hash] of (chunk?.hashes ?? []).entries()) {
    places.set(`${chunk?.at[2 * index]}:${chunk?.at[2 * index + 1]}`, hash)
  }
  return places
}

/** The raw sizes of the segments that a file of this size is cut into. */
export function segmentSizes(size: number): number[] {
  const sizes: number[] = []
  for (let start = 0; start < size; start += SEGMENT_BYTES)
    sizes.push(Math.min(SEGMENT_BYTES, size - start))
  return sizes
}
