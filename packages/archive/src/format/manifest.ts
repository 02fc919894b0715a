import { zstdDecompressSync } from 'node:zlib'
import { BerthError } from '@berth/core/error'
import { manifestHint } from './damage-hint.ts'
import { buildTree } from './manifest-build.ts'
import { checkManifest } from './manifest-check.ts'
import { type TreeColumns, readColumns } from './manifest-columns.ts'
import type { EncodedManifest } from './manifest-encode.ts'
import { zstdContentSize } from './frame.ts'
import { type ChunkKind, FORMAT } from './format.ts'
import type { FileEntry, LeftOut, Tree, TreePath } from './tree.ts'
import type { VenvFingerprint } from '../venv/venv-fingerprint.ts'

export interface Frame {
  /** Bytes in the object. */
  stored: number
  /** Bytes it decodes to. */
  raw: number
}

/** One immutable object. Its frames follow each other without gaps, so their places are the running sums of `stored`. */
export interface Chunk {
  /** Of the stored bytes, in hex. */
  sha256: string
  kind: ChunkKind
  frames: Frame[]
  /** The snapshot that wrote it; its `.hashes` object holds the content hashes of what is in it. */
  born: string
}

/** Where a file's content lies. */
export type Place =
  | { kind: 'empty' }
  /** Within a frame's raw bytes. `member` is its name in the tar, where that isn't the file's path: content that moved. */
  | { kind: 'group'; chunk: number; frame: number; offset: number; member?: string }
  /** All raw bytes of these chunks, one after another. */
  | { kind: 'segments'; chunks: number[] }

export interface StoredFile extends FileEntry {
  place: Place
}

/** One saved state of a tree, whole: what a restore needs beside the chunks. */
export interface Manifest {
  /** Random, so that a save knows its own commit again when the answer was lost. */
  id: string
  archive: string
  generation: number
  /** The id of the snapshot it was made from; `null` for the first. */
  parent: string | null
  /** ISO 8601, UTC. */
  created: string
  pod: string
  /** Nothing was left away against the parent: the tree's own past was not known. */
  additive: boolean
  /** Ids of the snapshots that its history went through before it, the newest first; of a long history not all. */
  ancestors?: string[]
  /** What came of two states of the tree that this is one of. */
  merged?: MergeNote
  /** The parent's tree, as it is: only where its content lies is new. */
  compacted?: true
  /** A repair made it of that snapshot, of which so many files were lost. */
  lacks?: { of: string; files: number }
  /** What its save had no time for, by custom node, environment or directory: its newest state is not in the tree. */
  late?: TreePath[]
  venvs: VenvFingerprint[]
  chunks: Chunk[]
  /** Of a manifest that was read, built when it is first asked for: most of what reading one costs. */
  tree: Tree<StoredFile>
}

/** Of a snapshot that was merged of a save and the history that had gone on meanwhile. */
export interface MergeNote {
  /** The history's snapshot. */
  with: string
  /** What both had changed, and the snapshot that holds the state which was not taken; of many only the first. */
  conflicts: { path: TreePath; snapshot: string }[]
}

/** A manifest that was read and checked. */
export interface ReadManifest extends Manifest {
  /** The tree as it was read; `undefined` once another was put in its place. */
  readonly columns: TreeColumns | undefined
}

export { encodeFinalManifest, encodeManifest } from './manifest-encode.ts'

/**
 * Reads a manifest and checks all of it: no path that leaves the tree, no entry below anything but a directory, no place outside its
 * chunk. Throws `archive/bad-manifest`, `archive/unsafe-path` or `archive/newer-format`, naming the object.
 */
export function decodeManifest(bytes: Uint8Array, key: string): ReadManifest {
  const encoded = parseEncoded(bytes, key)
  if (encoded.format > FORMAT) throw newerFormat(key, encoded.format)
  try {
    const { head, columns } = assemble(encoded)
    checkManifest({ ...head, columns })
    return manifestOfColumns(head, columns)
  } catch (error) {
    if (error instanceof BerthError) {
      throw new BerthError(error.code, `${error.message} in ${key}`, {
        hint: error.hint ?? manifestHint,
        cause: error,
      })
    }
    throw badManifest(key, error)
  }
}

const HEAD_BYTES = 200

/** The id of a manifest, for a fraction of what it takes to read all of it; `undefined` for what is none. */
export function readManifestId(bytes: Uint8Array): string | undefined {
  try {
    const head = zstdDecompressSync(bytes).toString('latin1', 0, HEAD_BYTES)
    return /^\{"format":\d+,"id":"([0-9a-f]+)"/.exec(head)?.[1]
  } catch {
    return undefined
  }
}

function parseEncoded(bytes: Uint8Array, key: string): EncodedManifest {
  try {
    const parsed: unknown = JSON.parse(decompressText(bytes))
    if (
      typeof parsed !== 'object' ||
      parsed === null ||
      typeof (parsed as EncodedManifest).format !== 'number'
    ) {
      throw new TypeError('it holds no format version')
    }
    return parsed as EncodedManifest
  } catch (cause) {
    throw badManifest(key, cause)
  }
}

// To grow by zlib's default of 16 KiB takes twice as long as the decoding. A frame's own word for its size is believed up to this.
const LARGEST_STEP = 32 * 1024 * 1024

function decompressText(bytes: Uint8Array): string {
  const size = zstdContentSize(bytes)
  const chunkSize = size === undefined ? 1024 * 1024 : Math.min(size + 64, LARGEST_STEP)
  return zstdDecompressSync(bytes, { chunkSize }).toString('utf8')
}

function assemble(encoded: EncodedManifest): {
  head: Omit<Manifest, 'tree'>
  columns: TreeColumns
} {
  const {
    format: _format,
    totals: _totals,
    chunks,
    directories,
    files,
    links,
    hardLinks,
    leftOut,
    raw: _raw,
    ...head
  } = encoded
  const born = chunks.born.flatMap(([name, count]) => Array.from({ length: count }, () => name))
  return {
    head: {
      ...head,
      chunks: chunks.sha256.map((sha256, index) => ({
        sha256,
        kind: chunks.kind[index] === 'g' ? 'group' : 'segment',
        frames: pairs(chunks.frames[index] ?? []),
        born: born[index] ?? '',
      })),
    },
    columns: readColumns({ directories, files, links, hardLinks, leftOut }),
  }
}

/** A manifest whose tree is only built when it is asked for. */
export function manifestOfColumns(
  head: Omit<Manifest, 'tree'>,
  columns: TreeColumns,
): ReadManifest {
  let tree: Tree<StoredFile> | undefined
  let isOwn = true
  const manifest = {
    ...head,
    get tree() {
      tree ??= buildTree(columns)
      return tree
    },
    set tree(other) {
      tree = other
      isOwn = false
    },
  }
  // Not among what a copy or an encoding takes along.
  const property = { get: () => (isOwn ? columns : undefined) }
  return Object.defineProperty(manifest, 'columns', property) as ReadManifest
}

/** What was left out of a manifest's tree, for which nothing is built. */
export function leftOutOf(manifest: Manifest | ReadManifest): readonly LeftOut[] {
  return ('columns' in manifest ? manifest.columns?.leftOut : undefined) ?? manifest.tree.leftOut
}

function pairs(numbers: number[]): Frame[] {
  const frames: Frame[] = []
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    frames.push({ stored: numbers[index] as number, raw: numbers[index + 1] as number })
  }
  return frames
}

/** Bytes of all files, uncompressed, each counted once however many names it has. */
export function totalBytes(tree: Tree): number {
  return tree.files.reduce((sum, file) => sum + file.size, 0)
}

/** Bytes that a chunk decodes to. */
export function rawSize(chunk: Chunk): number {
  return chunk.frames.reduce((sum, frame) => sum + frame.raw, 0)
}

/** Bytes of a chunk's object. */
export function storedBytes(chunk: Chunk): number {
  return chunk.frames.reduce((sum, frame) => sum + frame.stored, 0)
}

function badManifest(key: string, cause: unknown): BerthError {
  return new BerthError(
    'archive/bad-manifest',
    `could not read ${key}: ${(cause as Error).message}`,
    {
      hint: manifestHint,
      cause,
    },
  )
}

export function newerFormat(key: string, format: number): BerthError {
  return new BerthError(
    'archive/newer-format',
    `could not read ${key}: it has format ${format}, this berth knows ${FORMAT}`,
    {
      hint: 'use the berth version that wrote it, or a later one',
    },
  )
}
