import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { SEGMENT_BYTES, SMALL_FILE_BYTES, hashesKey } from '../format/format.ts'
import { type Manifest, type Place, type StoredFile, rawSize } from '../format/manifest.ts'
import type { Tree } from '../format/tree.ts'

/** The content hashes of one chunk: of each file of a group by its place, or of a segment's raw bytes. */
export interface ChunkHashes {
  sha256: string
  /** `frame, offset` of each file; empty for a segment. */
  at: number[]
  /** 32 hex digits each, the first half of a sha256, in one string. */
  hashes: string
}

interface EncodedHashes {
  format: 1
  chunks: ChunkHashes[]
}

/** The bytes of a `.hashes` object: what a save needs to know again the content that this snapshot's own chunks hold. */
export function encodeHashes(chunks: readonly ChunkHashes[]): Buffer {
  const encoded: EncodedHashes = {
    format: 1,
    chunks: chunks.map(({ sha256, at, hashes }) => ({ sha256, at, hashes })),
  }
  return zstdCompressSync(Buffer.from(JSON.stringify(encoded)), {
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  })
}

const HASH_LENGTH = 32

function decodeHashes(bytes: Buffer): EncodedHashes['chunks'] {
  const encoded = JSON.parse(zstdDecompressSync(bytes).toString('utf8')) as EncodedHashes
  return encoded.chunks
}

/** What of a manifest tells where its content lies. */
type KnownManifest = Pick<Manifest, 'archive' | 'chunks'> & {
  tree: Pick<Tree<StoredFile>, 'files'>
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
  source: { store: ObjectStore; manifest: KnownManifest; sizes: ReadonlySet<number> },
  options: RequestOptions = {},
): Promise<KnownContent> {
  const wanted = chunksOfSizes(source.manifest, source.sizes)
  const born = new Set([...wanted].map((chunk) => source.manifest.chunks[chunk]?.born ?? ''))
  const hashes = new Map<string, Omit<ChunkHashes, 'sha256'>>()
  await Promise.all(
    [...born].map(async (snapshot) => {
      const bytes = await source.store.get(hashesKey(source.manifest.archive, snapshot), options)
      for (const { sha256, ...stored } of bytes === undefined ? [] : tryDecode(bytes))
        hashes.set(sha256, stored)
    }),
  )
  return indexContent(source, hashes)
}

/** The hashes of chunks that these snapshots wrote, by chunk: of each file by `frame:offset`, of a segment by the empty string. */
export async function readChunkHashes(
  source: { store: ObjectStore; archive: string; born: Iterable<string> },
  options: RequestOptions = {},
): Promise<Map<string, Map<string, string>>> {
  const found = new Map<string, Map<string, string>>()
  for (const snapshot of source.born) {
    const bytes = await source.store.get(hashesKey(source.archive, snapshot), options)
    for (const { sha256, at, hashes } of bytes === undefined ? [] : tryDecode(bytes)) {
      const places = at.flatMap((frame, index) =>
        index % 2 === 0 ? [`${frame}:${at[index + 1]}`] : [],
      )
      const keys = places.length === 0 ? [''] : places
      const hashOf = (index: number): string =>
        hashes.slice(index * HASH_LENGTH, (index + 1) * HASH_LENGTH)
      found.set(sha256, new Map(keys.map((key, index) => [key, hashOf(index)])))
    }
  }
  return found
}

function tryDecode(bytes: Buffer): EncodedHashes['chunks'] {
  try {
    return decodeHashes(bytes)
  } catch {
    // Hashes only save an upload.
    return []
  }
}

function chunksOfSizes(manifest: KnownManifest, sizes: ReadonlySet<number>): Set<number> {
  const anyLong = [...sizes].some((size) => size > SMALL_FILE_BYTES)
  const chunks = new Set<number>()
  for (const { place, size } of manifest.tree.files) {
    if (place.kind === 'group' && sizes.has(size)) chunks.add(place.chunk)
    if (place.kind === 'segments' && anyLong) for (const chunk of place.chunks) chunks.add(chunk)
  }
  return chunks
}

function indexContent(
  { manifest, sizes }: { manifest: KnownManifest; sizes: ReadonlySet<number> },
  hashes: Map<string, Omit<ChunkHashes, 'sha256'>>,
): KnownContent {
  const files = new Map<string, Place>()
  const own = new Map<string, { hash: string; size: number; place: Place }>()
  const segments = new Map<string, number>()
  const findHash = createHashFinder(manifest, hashes)
  for (const { path, size, place } of manifest.tree.files) {
    if (place.kind !== 'group' || !sizes.has(size)) continue
    const hash = findHash(place)
    if (hash === undefined) continue
    files.set(`${hash}:${size}`, { ...place, member: place.member ?? path })
    own.set(path, { hash, size, place })
  }
  for (const [number, chunk] of manifest.chunks.entries()) {
    const hash =
      chunk.kind === 'segment' ? hashes.get(chunk.sha256)?.hashes.slice(0, HASH_LENGTH) : undefined
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

/** The hash of what lies at a place; a chunk's table is made when the first of its places is asked for. */
function createHashFinder(
  { chunks }: KnownManifest,
  hashes: ReadonlyMap<string, Omit<ChunkHashes, 'sha256'>>,
): (place: Place & { kind: 'group' }) => string | undefined {
  const tables = new Map<number, Map<string, number>>()
  return ({ chunk, frame, offset }) => {
    const stored = hashes.get(chunks[chunk]?.sha256 ?? '')
    if (stored === undefined) return undefined
    let table = tables.get(chunk)
    if (table === undefined) {
      table = tableOf(stored.at)
      tables.set(chunk, table)
    }
    const index = table.get(`${frame}:${offset}`)
    if (index === undefined) return undefined
    const start = index * HASH_LENGTH
    return stored.hashes.slice(start, start + HASH_LENGTH)
  }
}

function tableOf(at: readonly number[]): Map<string, number> {
  const table = new Map<string, number>()
  for (let index = 0; 2 * index + 1 < at.length; index++)
    table.set(`${at[2 * index]}:${at[2 * index + 1]}`, index)
  return table
}

/** The raw sizes of the segments that a file of this size is cut into. */
export function segmentSizes(size: number): number[] {
  const sizes: number[] = []
  for (let start = 0; start < size; start += SEGMENT_BYTES)
    sizes.push(Math.min(SEGMENT_BYTES, size - start))
  return sizes
}
