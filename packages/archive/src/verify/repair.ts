import { isBerthError } from '@berth/core/error'
import { chunkKey } from '../format/format.ts'
import { readChunkHashes } from '../save/known-content.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { readRecordOf, writeRecord } from '../record/record.ts'
import { type BrokenChunk, type RawFrames, collectFrames, rebuildChunk } from './repair-chunk.ts'
import { type Salvage, commitSalvage } from './repair-commit.ts'
import { type RepairSource, openRepairSource } from './repair-source.ts'
import { type SnapshotReference, readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { lockTree } from '../record/tree-lock.ts'
import { placeBehind } from '../record/tree-place.ts'
import type { TreePath } from '../format/tree.ts'
import { type VerifyResult, verifyArchive } from './verify.ts'

export interface RepairOptions extends ArchiveOptions {
  /** Absolute; trees that may hold the content: this archive's on a healthy pod, or any other. They are only read. */
  directories: readonly string[]
  /** Says what would be repaired, and writes nothing. */
  dryRun?: boolean
}

export interface RepairResult {
  /** What was wrong before. */
  found: VerifyResult
  /** Objects that are there again, under their names and to the byte. */
  rebuilt: string[]
  /** A new generation that holds what could only be put into other chunks; empty when none was needed. */
  committed: string
  /** What is not to be had: the snapshots, and the paths in them, whose content no directory holds. */
  lost: { snapshot: string; paths: TreePath[] }[]
}

/**
 * Builds the missing and damaged chunks of an archive again from directories on this machine. Content is known by its hash, never by
 * its size. A chunk that comes out with its own sha256 is put under its name, so that every snapshot is whole again; for others of the
 * newest snapshot a further generation is committed. Nothing is removed.
 */
export async function repairArchive(options: RepairOptions): Promise<RepairResult> {
  const { store, name, signal, dryRun = false } = options
  const found = await verifyArchive(options)
  const result: RepairResult = { found, rebuilt: [], committed: '', lost: [] }
  const keys = new Set(found.problems.map(({ key }) => key))
  if (keys.size === 0) return result
  const { history, siblings } = await readSnapshotList(store, name, { signal })
  const snapshots = await readAll(options, [...history, ...siblings])
  for (const { key, snapshots: needing } of found.problems)
    if (!key.startsWith('chunks/')) result.lost.push({ snapshot: needing[0] ?? key, paths: [] })
  const source = openRepairSource(options.directories)
  const frames = new Map<string, RawFrames>()
  for (const broken of await describeBroken(options, snapshots, keys)) {
    signal?.throwIfAborted()
    const key = chunkKey(broken.chunk.sha256, broken.chunk.kind)
    const raw = collectFrames(broken, source)
    const data = rebuildChunk(broken, raw)
    if (data === undefined) frames.set(key, raw)
    else {
      // Its name is proven: whatever lies under it now is worth less.
      if (!dryRun) await store.put(key, data, { signal })
      result.rebuilt.push(key)
      keys.delete(key)
    }
  }
  const newest = snapshots.find(({ reference }) => !reference.sibling)
  for (const { reference, manifest } of snapshots) {
    const salvage = await salvageFrom(options, { manifest, keys, frames, source })
    if (salvage === undefined) continue
    const { found: small, segments, lost } = salvage
    const isHelped = small.length + segments.size > 0
    if (manifest === newest?.manifest && isHelped) {
      if (!dryRun) result.committed = await commitAndFollow(options, reference.name, salvage)
      if (lost.length > 0) result.lost.push({ snapshot: reference.name, paths: lost })
    } else result.lost.push({ snapshot: reference.name, paths: damagedPaths(manifest, keys) })
  }
  return result
}

/** A directory that was at the damaged snapshot is at the new one: its next save is in the history, not beside it. */
async function commitAndFollow(
  options: RepairOptions,
  damaged: string,
  salvage: Salvage,
): Promise<string> {
  const { committed, manifest } = await commitSalvage(options, salvage)
  for (const directory of committed.sibling ? [] : options.directories) {
    const place = await placeBehind(directory)
    await using _lock = await lockTree(place.state, { signal: options.signal, onWait: () => {} })
    const record = await readRecordOf(place)
    const isOf = record?.archive === options.name && record.store === options.store.url
    if (!isOf || !record.complete || record.snapshot !== damaged || record.sibling !== '') continue
    const { generation, id } = manifest
    const next = { ...record, snapshot: committed.name, generation, id }
    await writeRecord(place.state, next, manifest)
  }
  return committed.name
}

interface Snapshot {
  reference: SnapshotReference
  manifest: Manifest
}

/** Newest first. One that can't be read is among the problems already. */
async function readAll(
  { store, name, signal }: RepairOptions,
  references: readonly SnapshotReference[],
): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = []
  for (const reference of references) {
    try {
      const manifest = await readSnapshot(store, name, reference.name, { signal })
      snapshots.push({ reference, manifest })
    } catch (error) {
      if (!isBerthError(error) || !error.code.startsWith('archive/')) throw error
    }
  }
  return snapshots
}

async function describeBroken(
  { store, name, signal }: RepairOptions,
  snapshots: readonly Snapshot[],
  keys: ReadonlySet<string>,
): Promise<BrokenChunk[]> {
  const broken = new Map<string, BrokenChunk>()
  const members = new Map<string, Map<string, StoredFile>>()
  // The oldest last: a file's header is as it was when its chunk was made.
  for (const { manifest } of snapshots) {
    for (const chunk of manifest.chunks) {
      const key = chunkKey(chunk.sha256, chunk.kind)
      if (!keys.has(key) || broken.has(key)) continue
      const stored = await store.get(key, { signal })
      broken.set(key, { chunk, members: [], owners: [], hashes: new Map(), stored })
      members.set(key, new Map())
    }
    for (const file of manifest.tree.files)
      for (const [index, key] of chunkKeysOf(file, manifest).entries()) {
        if (file.place.kind === 'segments') broken.get(key)?.owners.push({ file, index })
        else if (file.place.kind === 'group')
          members.get(key)?.set(`${file.place.frame}:${file.place.offset}`, file)
      }
  }
  const born = new Set([...broken.values()].map(({ chunk }) => chunk.born))
  const hashes = await readChunkHashes({ store, archive: name, born }, { signal })
  return [...broken].map(([key, chunk]) => ({
    ...chunk,
    members: [...(members.get(key)?.values() ?? [])].toSorted(byPlace),
    hashes: hashes.get(chunk.chunk.sha256) ?? new Map(),
  }))
}

function byPlace({ place: a }: StoredFile, { place: b }: StoredFile): number {
  if (a.kind !== 'group' || b.kind !== 'group') return 0
  return a.frame - b.frame || a.offset - b.offset
}

function chunkKeysOf({ place }: StoredFile, { chunks }: Manifest): string[] {
  const numbers =
    place.kind === 'group' ? [place.chunk] : place.kind === 'segments' ? place.chunks : []
  return numbers.map((number) => {
    const chunk = chunks[number]
    return chunk === undefined ? '' : chunkKey(chunk.sha256, chunk.kind)
  })
}

function damagedPaths(manifest: Manifest, keys: ReadonlySet<string>): TreePath[] {
  return manifest.tree.files
    .filter((file) => chunkKeysOf(file, manifest).some((key) => keys.has(key)))
    .map(({ path }) => path)
}

interface Wreck {
  manifest: Manifest
  keys: ReadonlySet<string>
  frames: ReadonlyMap<string, RawFrames>
  source: RepairSource
}

/** What of a damaged snapshot can be had without its chunks; `undefined` for one that is whole. */
async function salvageFrom(
  { store, name, signal }: RepairOptions,
  { manifest, keys, frames, source }: Wreck,
): Promise<Salvage | undefined> {
  const damaged = new Set(damagedPaths(manifest, keys))
  if (damaged.size === 0) return undefined
  const born = new Set(manifest.chunks.map((chunk) => chunk.born))
  const hashes = await readChunkHashes({ store, archive: name, born }, { signal })
  const salvage: Salvage = { manifest, found: [], segments: new Map(), lost: [] }
  for (const file of manifest.tree.files) {
    if (!damaged.has(file.path)) continue
    const { place } = file
    if (place.kind === 'group') {
      const chunk = manifest.chunks[place.chunk]
      const known = hashes.get(chunk?.sha256 ?? '')?.get(`${place.frame}:${place.offset}`)
      const raw = frames.get(chunkKeysOf(file, manifest)[0] ?? '')?.[place.frame]
      const bytes =
        raw?.subarray(place.offset, place.offset + file.size) ??
        (known === undefined ? undefined : source.findFile({ ...file, hash: known }))
      if (bytes === undefined) salvage.lost.push(file.path)
      else salvage.found.push({ file, bytes })
    } else if (place.kind === 'segments') {
      for (const [index, key] of chunkKeysOf(file, manifest).entries()) {
        const raw = keys.has(key) ? frames.get(key) : undefined
        const number = place.chunks[index]
        if (raw !== undefined && raw.length > 0 && !raw.includes(undefined) && number !== undefined)
          salvage.segments.set(number, raw as Buffer[])
      }
      const isWhole = place.chunks.every(
        (number, index) =>
          salvage.segments.has(number) || !keys.has(chunkKeysOf(file, manifest)[index] ?? ''),
      )
      if (!isWhole) salvage.lost.push(file.path)
    }
  }
  return salvage
}
