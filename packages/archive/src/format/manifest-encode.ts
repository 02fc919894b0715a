import { constants, zstdCompressSync } from 'node:zlib'
import { encodeColumns } from './column-encode.ts'
import { FORMAT } from './format.ts'
import { frameRoom } from './frame-encoder.ts'
import type { Manifest, ReadManifest } from './manifest.ts'
import { type EncodedTree, encodeTree } from './manifest-tree.ts'

export type EncodedManifest = Omit<Manifest, 'chunks' | 'tree'> & {
  format: number
  totals: { files: number; directories: number; links: number; bytes: number }
  chunks: { sha256: string[]; kind: string; frames: number[][]; born: [string, number][] }
} & EncodedTree

// Half a per cent larger than at 9, in a third of the time, which every save takes.
const LEVEL = 6

// A save puts what it also keeps beside the tree.
const encodings = new WeakMap<Manifest, Buffer>()

/** As `encodeManifest`, once for a manifest that stays as it is from now on. */
export function encodeFinalManifest(manifest: Manifest): Buffer {
  const bytes = encodings.get(manifest) ?? encodeManifest(manifest)
  encodings.set(manifest, bytes)
  return bytes
}

/** The bytes of a manifest object: JSON in columns, in one zstd frame. */
export function encodeManifest(manifest: Manifest): Buffer {
  const { chunks } = manifest
  const columns = (manifest as Partial<ReadManifest>).columns
  // From the columns where there are any: objects may not have been built, and take four times as long.
  const tree = (columns && encodeColumns(columns)) ?? encodeTree(manifest.tree)
  const encoded: EncodedManifest = {
    format: FORMAT,
    ...headOf(manifest),
    totals: {
      files: tree.files.size.length,
      directories: tree.directories.up.length,
      links: tree.links.target.length,
      bytes: tree.files.size.reduce((sum, size) => sum + size, 0),
    },
    chunks: {
      sha256: chunks.map((chunk) => chunk.sha256),
      kind: chunks.map((chunk) => (chunk.kind === 'group' ? 'g' : 's')).join(''),
      frames: chunks.map((chunk) => chunk.frames.flatMap((frame) => [frame.stored, frame.raw])),
      born: runsOf(chunks.map((chunk) => chunk.born)),
    },
    ...tree,
  }
  const text = Buffer.from(JSON.stringify(encoded))
  return zstdCompressSync(text, {
    // So that the frame says how long it is: who reads it then takes the memory at once.
    pledgedSrcSize: text.length,
    chunkSize: frameRoom(text.length),
    params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_compressionLevel]: LEVEL },
  })
}

/** All but the chunks and the tree, which is not asked for: it may have to be built. */
function headOf(manifest: Manifest): Omit<Manifest, 'chunks' | 'tree'> {
  const keys = Object.keys(manifest) as (keyof Manifest)[]
  const own = keys.filter((key) => key !== 'chunks' && key !== 'tree')
  return Object.fromEntries(own.map((key) => [key, manifest[key]])) as unknown as Manifest
}

function runsOf(values: string[]): [string, number][] {
  const runs: [string, number][] = []
  for (const value of values) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] === value) last[1]++
    else runs.push([value, 1])
  }
  return runs
}
