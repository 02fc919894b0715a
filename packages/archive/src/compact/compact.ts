import { randomBytes } from 'node:crypto'
import { chunkKey, hashesKey } from '../format/format.ts'
import { groupFiles } from '../format/group.ts'
import { tarHeader } from '../format/tar-member.ts'
import type { Chunk, Manifest, Place, StoredFile } from '../format/manifest.ts'
import { bornName, putInHistory } from '../merge/commit-put.ts'
import { ancestorsOf } from '../merge/merge-commit.ts'
import type { ArchiveOptions } from '../options.ts'
import { type Condemned, readCondemned, renameCondemned } from '../prune/condemned.ts'
import { type ChunkHashes, encodeHashes } from '../save/known-content.ts'
import { requireUnpruned } from '../save/save-guard.ts'
import { compactChunks } from '../save/save-manifest.ts'
import type { Stopwatch } from '../workers/stopwatch.ts'
import { type ChunkUse, measureUse } from './chunk-use.ts'
import { type CompactBounds, chooseGroups } from './choose-groups.ts'
import { findWanted, groupKey, readLive } from './live-content.ts'
import { type Member, createPacker } from './pack-group.ts'

/** The history's newest snapshot. */
export interface Newest {
  name: string
  manifest: Manifest
  /** Since before it was read. */
  watch: Stopwatch
}

/** What a compaction did. Bytes are stored ones. */
export interface Compacted {
  /** The snapshot that it committed. */
  snapshot: string
  generation: number
  /** What a restore fetched for nothing before. */
  deadBytes: number
  /** What was put anew. */
  rewrittenBytes: number
  /** How many chunks a restore fetches. */
  chunksBefore: number
  chunksAfter: number
}

interface Rewritten {
  chunks: Chunk[]
  /** Where each content lies now, by where it lay. */
  places: Map<string, Place & { kind: 'group' }>
  hashes: ChunkHashes[]
  bytes: number
}

/**
 * Writes what the newest snapshot needs of its emptiest groups into new ones, and commits a further snapshot of the same files that
 * names those. The content comes from the store, so it is that of the snapshot whatever became of any directory. Until the commit
 * nothing has changed, and another snapshot that came first makes it void. `undefined` when there was nothing worth it, or another came
 * first. Throws the store's errors, and those of a damaged chunk.
 */
export async function compactNewest(
  options: ArchiveOptions & { pod?: string | undefined },
  newest: Newest,
  bounds: CompactBounds,
): Promise<{ compacted: Compacted; manifest: Manifest } | undefined> {
  const { store, signal, name: archive } = options
  const { manifest } = newest
  const { use, chosen } = choose(manifest, bounds)
  if (chosen.length === 0) return undefined
  // Without, a name may be put that takes the place of somebody's save in the history.
  if (!(await store.supportsConditionalWrites({ signal }))) return undefined
  const rewritten = await rewrite(options, { manifest, use, chosen })
  const next = describeNext(options, manifest, rewritten)
  const before = { name: newest.name, id: manifest.id }
  await requireUnpruned(options, { manifest: next, base: before, watch: newest.watch })
  await store.put(hashesKey(archive, bornName(next)), encodeHashes(rewritten.hashes), { signal })
  const snapshot = await putInHistory(options, next)
  if (snapshot === undefined) return undefined
  const compacted: Compacted = {
    snapshot,
    generation: next.generation,
    deadBytes: use.groups.reduce((sum, { dead }) => sum + dead, 0),
    rewrittenBytes: rewritten.bytes,
    chunksBefore: use.chunks,
    chunksAfter: next.chunks.length,
  }
  return { compacted, manifest: next }
}

/** Long and odd names have longer headers, which only count where that can matter. */
function choose(
  manifest: Manifest,
  bounds: CompactBounds,
): { use: ChunkUse; chosen: readonly number[] } {
  const roughly = measureUse(manifest)
  if (chooseGroups(roughly, bounds).length === 0) return { use: roughly, chosen: [] }
  const { files } = manifest.tree
  const use = measureUse(manifest, (number) => {
    const { place, ...file } = files[number] as StoredFile
    const path = place.kind === 'group' ? (place.member ?? file.path) : file.path
    return tarHeader({ ...file, path }).length
  })
  return { use, chosen: chooseGroups(use, bounds) }
}

// Raw bytes whose content is in memory at once.
const BATCH_BYTES = 24 * 1024 * 1024

/** Groups that lie beside each other hold what lies beside each other in the tree. */
function batchesOf({ groups }: ChunkUse, chosen: readonly number[]): number[][] {
  const live = new Map(groups.map((group) => [group.number, group.live]))
  const batches: number[][] = []
  let bytes = Infinity
  for (const number of chosen) {
    const own = live.get(number) ?? 0
    if (bytes + own > BATCH_BYTES) {
      batches.push([])
      bytes = 0
    }
    batches.at(-1)?.push(number)
    bytes += own
  }
  return batches
}

async function rewrite(
  options: ArchiveOptions,
  { manifest, use, chosen }: { manifest: Manifest; use: ChunkUse; chosen: readonly number[] },
): Promise<Rewritten> {
  const condemned = await readCondemned(options.store, { signal: options.signal })
  const rewritten: Rewritten = {
    chunks: [...manifest.chunks],
    places: new Map(),
    hashes: [],
    bytes: 0,
  }
  const pack = createPacker()
  for (const batch of batchesOf(use, chosen)) {
    const wanted = findWanted(manifest.tree.files, new Set(batch))
    const chunks = new Map(batch.map((number) => [number, manifest.chunks[number] as Chunk]))
    const members = await readLive(options, { chunks, wanted })
    const contents = new Map(members.map((member) => [member.file.path, member]))
    for (const group of groupFiles(members.map(({ file }) => file))) {
      options.signal?.throwIfAborted()
      const own = group.map(({ path }) => contents.get(path) as Member)
      await putGroup(options, rewritten, { condemned, members: own, pack })
    }
  }
  return rewritten
}

interface GroupToPut {
  condemned: Condemned
  members: readonly Member[]
  pack: ReturnType<typeof createPacker>
}

async function putGroup(
  { store, signal }: ArchiveOptions,
  rewritten: Rewritten,
  { condemned, members, pack }: GroupToPut,
): Promise<void> {
  const made = renameCondemned(pack(members), 'group', condemned)
  const { sha256, frames, places, data } = made
  await store.put(chunkKey(sha256, 'group'), data, { signal, ifAbsent: true })
  const chunk = rewritten.chunks.push({ sha256, kind: 'group', frames, born: '' }) - 1
  rewritten.bytes += data.length
  rewritten.hashes.push({
    sha256,
    at: places.flatMap(({ frame, offset }) => [frame, offset]),
    hashes: places.map(({ hash }) => hash).join(''),
  })
  for (const [index, { file }] of members.entries()) {
    const { frame, offset } = places[index] as (typeof places)[number]
    if (file.place.kind !== 'group') continue
    const moved = { kind: 'group' as const, chunk, frame, offset, member: file.path }
    rewritten.places.set(groupKey(file.place), moved)
  }
}

function describeNext(
  { name, pod }: ArchiveOptions & { pod?: string | undefined },
  before: Manifest,
  { chunks, places }: Rewritten,
): Manifest {
  const id = randomBytes(8).toString('hex')
  const generation = before.generation + 1
  const files = before.tree.files.map((file): StoredFile => {
    if (file.place.kind !== 'group') return file
    const moved = places.get(groupKey(file.place))
    if (moved === undefined) return file
    const { member, ...own } = moved
    return { ...file, place: member === file.path ? own : moved }
  })
  return {
    id,
    archive: name,
    generation,
    parent: before.id,
    created: new Date().toISOString(),
    pod: pod ?? '',
    additive: before.additive,
    ancestors: ancestorsOf(before),
    compacted: true,
    ...(before.lacks === undefined ? {} : { lacks: before.lacks }),
    ...(before.late === undefined ? {} : { late: before.late }),
    venvs: before.venvs,
    ...compactChunks({ ...before.tree, files }, chunks, bornName({ generation, id })),
  }
}
