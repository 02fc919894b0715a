import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { createLookup } from '../format/path-lookup.ts'
import type { Chunk, Manifest, Place, StoredFile } from '../format/manifest.ts'
import { readChunkHashes } from '../save/known-content.ts'
import { type StoredTree, placeKey } from './merge-state.ts'

type GroupPlace = Place & { kind: 'group' }

/** A place of another manifest. */
interface Moved {
  place: GroupPlace
  chunk: Chunk
}

/**
 * The same trees with each content where `to` has it, so that they compare by place: a compaction puts content elsewhere, which is nobody's
 * change. Content is one where its hash says so; only files that look alike are asked for, so that without a compaction nothing is
 * read. Of what has no hash the place stays, and it counts as changed.
 */
export async function followMoves<Trees extends Manifest[]>(
  store: ObjectStore,
  { trees, to }: { trees: readonly [...Trees]; to: Manifest },
  options: RequestOptions = {},
): Promise<{ [Index in keyof Trees]: StoredTree }> {
  const pairs = trees.flatMap((manifest) => findLookalikes(manifest, to))
  const moved = pairs.length === 0 ? new Map() : await proveMoves(store, { pairs, to }, options)
  return trees.map((manifest) => moveTree(manifest, moved)) as {
    [Index in keyof Trees]: StoredTree
  }
}

interface Lookalike {
  archive: string
  chunk: Chunk
  key: string
  place: GroupPlace
  now: StoredFile & { place: GroupPlace }
}

/** Files of the same size and time that lie elsewhere. */
function findLookalikes({ archive, tree, chunks }: Manifest, to: Manifest): Lookalike[] {
  const find = createLookup(to.tree.files)
  return tree.files.flatMap(({ path, size, mtime, place }) => {
    const now = place.kind === 'group' ? find(path) : undefined
    if (place.kind !== 'group' || now?.place.kind !== 'group') return []
    if (now.size !== size || now.mtime !== mtime) return []
    const key = placeKey(place, chunks)
    const chunk = chunks[place.chunk]
    if (chunk === undefined || key === placeKey(now.place, to.chunks)) return []
    return [{ archive, chunk, key, place, now: { ...now, place: now.place } }]
  })
}

async function proveMoves(
  store: ObjectStore,
  { pairs, to }: { pairs: readonly Lookalike[]; to: Manifest },
  options: RequestOptions,
): Promise<Map<string, Moved>> {
  const born = new Map<string, Set<string>>()
  const need = (archive: string, chunk: Chunk | undefined): void => {
    if (chunk !== undefined) born.set(archive, (born.get(archive) ?? new Set()).add(chunk.born))
  }
  for (const { archive, chunk, now } of pairs) {
    need(archive, chunk)
    need(to.archive, to.chunks[now.place.chunk])
  }
  const hashes = new Map<string, Map<string, string>>()
  for (const [archive, names] of born)
    for (const [sha256, found] of await readChunkHashes({ store, archive, born: names }, options))
      hashes.set(sha256, found)
  const hashOf = (chunk: Chunk | undefined, { frame, offset }: GroupPlace): string | undefined =>
    hashes.get(chunk?.sha256 ?? '')?.get(`${frame}:${offset}`)
  const moved = new Map<string, Moved>()
  for (const { chunk, key, place, now } of pairs) {
    const target = to.chunks[now.place.chunk]
    const hash = hashOf(chunk, place)
    if (target === undefined || hash === undefined || hash !== hashOf(target, now.place)) continue
    const member = now.place.member ?? now.path
    moved.set(key, { place: { ...now.place, member }, chunk: target })
  }
  return moved
}

/** What it needs of the other manifest's chunks comes behind its own. */
function moveTree(manifest: Manifest, moved: ReadonlyMap<string, Moved>): StoredTree {
  const { tree } = manifest
  if (moved.size === 0) return { tree, chunks: manifest.chunks }
  const chunks = [...manifest.chunks]
  const numbers = new Map(chunks.map((chunk, number) => [chunk.sha256 + chunk.kind, number]))
  const files = tree.files.map((file): StoredFile => {
    const found =
      file.place.kind === 'group' ? moved.get(placeKey(file.place, manifest.chunks)) : undefined
    if (found === undefined) return file
    const { chunk, place } = found
    const name = chunk.sha256 + chunk.kind
    const number = numbers.get(name) ?? chunks.push(chunk) - 1
    numbers.set(name, number)
    const { member, ...own } = { ...place, chunk: number }
    return { ...file, place: member === file.path ? own : { ...own, member } }
  })
  return { tree: { ...tree, files }, chunks }
}
