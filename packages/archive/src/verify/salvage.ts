import { chunkKey } from '../format/format.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { TreePath } from '../format/tree.ts'
import type { ArchiveOptions } from '../options.ts'
import { readChunkHashes } from '../save/known-content.ts'
import type { RawFrames } from './repair-chunk.ts'
import type { RepairSource } from './repair-source.ts'

/** What of a snapshot can be had although some of its chunks are missing or damaged. */
export interface Salvage {
  /** The snapshot's name. */
  name: string
  manifest: Manifest
  /** Small files whose chunk is gone, with their content. */
  found: { file: StoredFile; bytes: Buffer }[]
  /** Raw bytes of segments whose chunk is gone, by the chunk's number. */
  segments: Map<number, Buffer[]>
  /** Files whose content is nowhere. */
  lost: TreePath[]
  /** How many files lie in missing or damaged chunks, and are had all the same. */
  held: number
}

interface Wreck {
  name: string
  manifest: Manifest
  /** Of the missing and damaged chunks. */
  keys: ReadonlySet<string>
  frames: ReadonlyMap<string, RawFrames>
  source: RepairSource
}

/** What of a snapshot can be had without its damaged chunks; all of it where it is whole. */
export async function salvageFrom(
  { store, name: archive, signal }: ArchiveOptions,
  wreck: Wreck,
): Promise<Salvage> {
  const { name, manifest, keys } = wreck
  const salvage: Salvage = { name, manifest, found: [], segments: new Map(), lost: [], held: 0 }
  const damaged = manifest.tree.files.filter((file) =>
    chunkKeysOf(file, manifest).some((key) => keys.has(key)),
  )
  if (damaged.length === 0) return salvage
  const born = new Set(manifest.chunks.map((chunk) => chunk.born))
  const hashes = await readChunkHashes({ store, archive, born }, { signal })
  for (const file of damaged) {
    if (file.place.kind === 'segments') takeSegments(salvage, wreck, file)
    else {
      const bytes = findBytes(wreck, hashes, file)
      if (bytes === undefined) salvage.lost.push(file.path)
      else salvage.found.push({ file, bytes })
    }
  }
  salvage.held = damaged.length - salvage.lost.length
  return salvage
}

function findBytes(
  { manifest, frames, source }: Wreck,
  hashes: Awaited<ReturnType<typeof readChunkHashes>>,
  file: StoredFile,
): Buffer | undefined {
  const { place } = file
  if (place.kind !== 'group') return undefined
  const raw = frames.get(chunkKeysOf(file, manifest)[0] ?? '')?.[place.frame]
  if (raw !== undefined) return raw.subarray(place.offset, place.offset + file.size)
  const chunk = manifest.chunks[place.chunk]
  const known = hashes.get(chunk?.sha256 ?? '')?.get(`${place.frame}:${place.offset}`)
  return known === undefined ? undefined : source.findFile({ ...file, hash: known })
}

function takeSegments(salvage: Salvage, { manifest, keys, frames }: Wreck, file: StoredFile): void {
  if (file.place.kind !== 'segments') return
  const { chunks } = file.place
  const own = chunkKeysOf(file, manifest)
  for (const [index, key] of own.entries()) {
    const raw = keys.has(key) ? frames.get(key) : undefined
    const number = chunks[index]
    if (raw !== undefined && raw.length > 0 && !raw.includes(undefined) && number !== undefined)
      salvage.segments.set(number, raw as Buffer[])
  }
  const isWhole = chunks.every(
    (number, index) => salvage.segments.has(number) || !keys.has(own[index] ?? ''),
  )
  if (!isWhole) salvage.lost.push(file.path)
}

/** The objects that hold a file's content, in its order. */
export function chunkKeysOf({ place }: StoredFile, { chunks }: Manifest): string[] {
  const numbers =
    place.kind === 'group' ? [place.chunk] : place.kind === 'segments' ? place.chunks : []
  return numbers.map((number) => {
    const chunk = chunks[number]
    return chunk === undefined ? '' : chunkKey(chunk.sha256, chunk.kind)
  })
}
