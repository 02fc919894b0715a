import { hash, randomBytes } from 'node:crypto'
import { type Committed, bornName, commitSnapshot } from '../merge/commit.ts'
import { readCondemned, renameCondemned } from '../prune/condemned.ts'
import { chunkKey, FRAME_BYTES } from '../format/format.ts'
import { compressFrame } from '../format/frame-encoder.ts'
import type { ChunkHashes } from '../save/known-content.ts'
import type { Chunk, Manifest, StoredFile } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { compactChunks } from '../save/save-manifest.ts'
import { TAR_END, tarHeader } from '../format/tar-member.ts'
import { tarPadding } from '../format/tar-layout.ts'
import type { Salvage } from './salvage.ts'
import type { TreePath } from '../format/tree.ts'

/**
 * Commits a generation in which what was found again lies in new chunks, and what is lost is named among what was left out. It follows
 * the history's newest snapshot; the damaged one stays as it is.
 */
export async function commitSalvage(
  options: ArchiveOptions,
  salvage: Salvage,
  newest: Manifest,
): Promise<{ committed: Committed; manifest: Manifest }> {
  const { name, manifest, lost } = salvage
  const { chunks, places, hashes } = await putChunks(options, salvage)
  const gone = new Set(lost)
  const files = manifest.tree.files
    .filter(({ path }) => !gone.has(path))
    .map((file) => ({ ...file, place: places.get(file.path) ?? movedPlace(file, places) }))
  const links = manifest.tree.hardLinks.filter(({ to }) => !gone.has(to))
  const missing = [
    ...lost,
    ...manifest.tree.hardLinks.filter(({ to }) => gone.has(to)).map(({ path }) => path),
  ]
  const id = randomBytes(8).toString('hex')
  const generation = newest.generation + 1
  const tree = {
    ...manifest.tree,
    files,
    hardLinks: links,
    leftOut: [
      ...manifest.tree.leftOut,
      ...missing.map((path) => ({ path, reason: 'lost: its chunk was missing or damaged' })),
    ],
  }
  const { archive, pod, additive, venvs, lacks, late } = manifest
  const next: Manifest = {
    id,
    archive,
    generation,
    parent: newest.id,
    created: new Date().toISOString(),
    pod,
    additive,
    ...(late === undefined ? {} : { late }),
    ...lacksOf(lacks, { name, lost }),
    venvs,
    ...compactChunks(tree, chunks, bornName({ generation, id })),
  }
  const committed = await commitSnapshot(options, { manifest: next, hashes, beside: false })
  return { committed, manifest: next }
}

/** What was lost of a snapshot, and in earlier repairs of the one that it came from. */
function lacksOf(
  before: Manifest['lacks'],
  { name, lost }: Pick<Salvage, 'name' | 'lost'>,
): Pick<Manifest, 'lacks'> {
  const { of, files } = before ?? { of: name, files: 0 }
  return files + lost.length === 0 ? {} : { lacks: { of, files: files + lost.length } }
}

type Places = Map<TreePath | number, StoredFile['place']>

/** A long file's segments, of which some have another chunk now. */
function movedPlace({ place }: StoredFile, places: Places): StoredFile['place'] {
  if (place.kind !== 'segments') return place
  return {
    kind: 'segments',
    chunks: place.chunks.map((number) => {
      const moved = places.get(number)
      return moved?.kind === 'segments' ? (moved.chunks[0] ?? number) : number
    }),
  }
}

async function putChunks(
  options: ArchiveOptions,
  { manifest, found, segments }: Salvage,
): Promise<{ chunks: Chunk[]; places: Places; hashes: ChunkHashes[] }> {
  const { store, signal } = options
  const condemned = await readCondemned(store, { signal })
  const chunks = [...manifest.chunks]
  const places: Places = new Map()
  const hashes: ChunkHashes[] = []
  const put = async (kind: Chunk['kind'], frames: readonly Buffer[]): Promise<number> => {
    const stored = frames.map((raw) => compressFrame(raw, 'normal'))
    const data = new Uint8Array(Buffer.concat(stored))
    const sizes = stored.map((frame, index) => ({
      stored: frame.length,
      raw: frames[index]?.length ?? 0,
    }))
    const plain = { data, sha256: hash('sha256', data, 'hex'), frames: sizes }
    const made = renameCondemned(plain, kind, condemned)
    await store.put(chunkKey(made.sha256, kind), made.data, { signal })
    return chunks.push({ sha256: made.sha256, kind, frames: made.frames, born: '' }) - 1
  }
  for (const [number, frames] of segments) {
    const chunk = await put('segment', frames)
    places.set(number, { kind: 'segments', chunks: [chunk] })
    hashes.push({ sha256: chunks[chunk]?.sha256 ?? '', at: [], hashes: halfHash(frames) })
  }
  for (const batch of batches(found)) {
    const parts: Uint8Array[] = []
    const members: { file: StoredFile; offset: number; hash: string }[] = []
    let at = 0
    for (const { file, bytes } of batch) {
      const header = tarHeader(file)
      members.push({ file, offset: at + header.length, hash: halfHash([bytes]) })
      parts.push(header, bytes, Buffer.alloc(tarPadding(bytes.length)))
      at += header.length + bytes.length + tarPadding(bytes.length)
    }
    const chunk = await put('group', [Buffer.concat([...parts, TAR_END])])
    for (const { file, offset } of members)
      places.set(file.path, { kind: 'group', chunk, frame: 0, offset })
    hashes.push({
      sha256: chunks[chunk]?.sha256 ?? '',
      at: members.flatMap(({ offset }) => [0, offset]),
      hashes: members.map((member) => member.hash).join(''),
    })
  }
  return { chunks, places, hashes }
}

/** Files of about one frame together. */
function batches(found: Salvage['found']): Salvage['found'][] {
  const result: Salvage['found'][] = []
  let bytes = Infinity
  for (const item of found) {
    if (bytes + item.bytes.length > FRAME_BYTES) {
      result.push([])
      bytes = 0
    }
    result.at(-1)?.push(item)
    bytes += item.bytes.length
  }
  return result
}

function halfHash(parts: readonly Buffer[]): string {
  return hash('sha256', Buffer.concat(parts), 'hex').slice(0, 32)
}
