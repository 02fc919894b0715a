import { BerthError } from '@berth/core/error'
import type { Chunk, Manifest, StoredFile } from './manifest.ts'
import type { TreePath } from './tree.ts'

/**
 * Refuses a manifest that a restore could not follow safely. Paths are checked once here, so that the workers need not ask the file
 * system about each of them.
 */
export function checkManifest(manifest: Manifest): void {
  // The id becomes part of a path.
  if (!/^[0-9a-f]{8,64}$/.test(manifest.id) || !Number.isSafeInteger(manifest.generation))
    problem('it has no id or generation')
  for (const chunk of manifest.chunks) checkChunk(chunk)
  checkPaths(manifest)
  for (const file of manifest.tree.files) checkPlace(file, manifest.chunks)
}

function checkChunk(chunk: Chunk): void {
  if (!/^[0-9a-f]{64}$/.test(chunk.sha256)) problem(`\`${chunk.sha256}\` is no sha256`)
  if (chunk.frames.length === 0) problem(`chunk ${chunk.sha256} has no frames`)
  for (const frame of chunk.frames) {
    if (!isCount(frame.stored) || !isCount(frame.raw))
      problem(`chunk ${chunk.sha256} has a frame without a size`)
  }
}

/** Every parent is one of the manifest's own directories, so a path that occurs twice is the only way below a link. */
function checkPaths({ tree }: Manifest): void {
  const seen = new Set<TreePath>()
  for (const [index, { path }] of tree.directories.entries())
    checkPath(path, { seen, isRoot: index === 0 })
  for (const { path } of tree.files) checkPath(path, { seen, isRoot: false })
  for (const { path } of tree.hardLinks) checkPath(path, { seen, isRoot: false })
  for (const link of tree.links) {
    checkPath(link.path, { seen, isRoot: false })
    if (typeof link.target !== 'string' || link.target === '' || link.target.includes('\0')) {
      problem(`the link \`${link.path}\` has no target`)
    }
  }
  for (const entry of [...tree.directories, ...tree.files]) {
    if (
      !isCount(entry.mode) ||
      entry.mode > 0o7777 ||
      !isCount(entry.uid) ||
      !isCount(entry.gid) ||
      !Number.isSafeInteger(entry.mtime)
    ) {
      problem(`\`${entry.path}\` has no valid mode, owner or mtime`)
    }
  }
}

function checkPath(path: TreePath, place: { seen: Set<TreePath>; isRoot: boolean }): void {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const isSafe = place.isRoot
    ? path === ''
    : name !== '' && name !== '.' && name !== '..' && !path.includes('\0') && !path.startsWith('/')
  if (!isSafe || path.split('/').includes('..')) {
    throw new BerthError('archive/unsafe-path', `\`${path}\` is not a path inside the tree`)
  }
  if (place.seen.has(path)) {
    throw new BerthError(
      'archive/unsafe-path',
      `\`${path}\` occurs twice, so that one entry would lie below or over another`,
    )
  }
  place.seen.add(path)
}

function checkPlace(file: StoredFile, chunks: readonly Chunk[]): void {
  const { place } = file
  if (!isCount(file.size)) problem(`\`${file.path}\` has no size`)
  if (place.kind === 'empty') {
    if (file.size !== 0) problem(`\`${file.path}\` has ${file.size} bytes and no place`)
    return
  }
  if (place.kind === 'segments') {
    const raw = place.chunks.reduce(
      (sum, chunk) => sum + rawBytes(chunks[chunk], 'segment', file),
      0,
    )
    if (raw !== file.size)
      problem(`the segments of \`${file.path}\` hold ${raw} bytes instead of ${file.size}`)
    return
  }
  rawBytes(chunks[place.chunk], 'group', file)
  const frame = chunks[place.chunk]?.frames[place.frame]
  if (frame === undefined || !isCount(place.offset) || place.offset + file.size > frame.raw) {
    problem(`\`${file.path}\` lies outside its frame`)
  }
}

function rawBytes(chunk: Chunk | undefined, kind: Chunk['kind'], file: StoredFile): number {
  if (chunk === undefined || chunk.kind !== kind)
    problem(`\`${file.path}\` lies in no chunk of its kind`)
  return chunk.frames.reduce((sum, frame) => sum + frame.raw, 0)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function problem(text: string): never {
  throw new BerthError('archive/bad-manifest', `could not use the manifest: ${text}`)
}
