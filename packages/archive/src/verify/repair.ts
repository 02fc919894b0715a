import { isBerthError } from '@berth/core/error'
import { chunkKey } from '../format/format.ts'
import { readChunkHashes } from '../save/known-content.ts'
import type { Manifest, StoredFile } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { readRecordOf, writeRecord } from '../record/record.ts'
import { type BrokenChunk, type RawFrames, collectFrames, rebuildChunk } from './repair-chunk.ts'
import { commitSalvage } from './repair-commit.ts'
import { openRepairSource } from './repair-source.ts'
import { type SnapshotReference, readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { lockTree } from '../record/tree-lock.ts'
import { placeBehind } from '../record/tree-place.ts'
import type { TreePath } from '../format/tree.ts'
import { type Salvage, chunkKeysOf, salvageFrom } from './salvage.ts'
import { type VerifyResult, verifyArchive } from './verify.ts'

export interface RepairOptions extends ArchiveOptions {
  /** Absolute; trees that may hold the content: this archive's on a healthy pod, or any other. They are only read. */
  directories: readonly string[]
  /** Commits a generation although it lacks what is lost: from then on it is what a restore takes. */
  acceptLost?: boolean
  /** Says what would be repaired, and writes nothing. */
  dryRun?: boolean
}

export interface DamagedSnapshot {
  snapshot: string
  /** Its manifest can't be read; no repair builds it again. */
  unreadable: boolean
  /** Files whose content no directory holds. */
  lost: TreePath[]
  /** How many of its files are at hand, but not in the chunks that it names. */
  held: number
}

export interface RepairResult {
  /** What was wrong before. */
  found: VerifyResult
  /** Objects that are there again, under their names and to the byte. */
  rebuilt: string[]
  /**
   * Whether what could only be put into other chunks went into a further generation. `withheld`: it would lack what is lost, and
   * that was not accepted; or nothing would be left of it.
   */
  generation: 'none' | 'committed' | 'would-commit' | 'withheld'
  /** The name of that generation. */
  committed: string
  /** Snapshots that are not whole behind it. */
  damaged: DamagedSnapshot[]
}

/**
 * Builds the missing and damaged chunks of an archive again from directories on this machine. Content is known by its hash, never by
 * its size. A chunk that comes out with its own sha256 is put under its name, so that every snapshot is whole again; for others of the
 * newest snapshot a further generation is committed, one that lacks something only with `acceptLost`. Where the newest is such a one
 * and what it was made from can be had whole by now, that is committed. Nothing is removed.
 */
export async function repairArchive(options: RepairOptions): Promise<RepairResult> {
  const { store, name, signal, dryRun = false } = options
  const found = await verifyArchive(options)
  const result: RepairResult = {
    found,
    rebuilt: [],
    generation: 'none',
    committed: '',
    damaged: [],
  }
  const keys = new Set(found.problems.map(({ key }) => key))
  const { history, siblings } = await readSnapshotList(store, name, { signal })
  if (keys.size === 0) {
    const [last] = await readAll(options, history.slice(0, 1))
    if (last?.manifest.lacks === undefined) return result
  }
  const snapshots = await readAll(options, [...history, ...siblings])
  const newest = snapshots.find(({ reference }) => !reference.sibling)
  for (const { key, snapshots: needing } of found.problems)
    if (!key.startsWith('chunks/'))
      result.damaged.push({ snapshot: needing[0] ?? key, unreadable: true, lost: [], held: 0 })
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
  const origin = newest?.manifest.lacks?.of
  let ofNewest: Salvage | undefined
  let ofOrigin: Salvage | undefined
  for (const { reference, manifest } of snapshots) {
    const wreck = { name: reference.name, manifest, keys, frames, source }
    const salvage = await salvageFrom(options, wreck)
    const { lost, held } = salvage
    if (manifest === newest?.manifest) ofNewest = salvage
    if (reference.name === origin && lost.length === 0) ofOrigin = salvage
    if (lost.length + held > 0)
      result.damaged.push({ snapshot: reference.name, unreadable: false, lost, held })
  }
  if (newest !== undefined && ofNewest !== undefined)
    await decideGeneration(options, result, { newest: newest.manifest, ofNewest, ofOrigin })
  return result
}

/** Commits what is worth to be the newest, if anything is. */
async function decideGeneration(
  options: RepairOptions,
  result: RepairResult,
  { newest, ofNewest, ofOrigin }: Candidates,
): Promise<void> {
  const { lost, held, manifest } = ofNewest
  const isLosing = ofOrigin === undefined && lost.length > 0
  if (ofOrigin === undefined && lost.length + held === 0) return
  if (isLosing && (options.acceptLost !== true || lost.length === manifest.tree.files.length)) {
    result.generation = 'withheld'
    return
  }
  result.generation = options.dryRun === true ? 'would-commit' : 'committed'
  if (options.dryRun !== true)
    result.committed = await commitAndFollow(options, newest, ofOrigin ?? ofNewest)
}

interface Candidates {
  newest: Manifest
  ofNewest: Salvage
  /** Of the snapshot that the newest was made from with losses, where nothing of it is lost now. */
  ofOrigin: Salvage | undefined
}

/** A directory that was at the snapshot that is put anew is at the new one: its next save is in the history, not beside it. */
async function commitAndFollow(
  options: RepairOptions,
  newest: Manifest,
  salvage: Salvage,
): Promise<string> {
  const { committed, manifest } = await commitSalvage(options, salvage, newest)
  for (const directory of committed.sibling ? [] : options.directories) {
    const place = await placeBehind(directory)
    await using _lock = await lockTree(place.state, { signal: options.signal, onWait: () => {} })
    const record = await readRecordOf(place)
    const isOf = record?.archive === options.name && record.store === options.store.url
    if (!isOf || !record.complete || record.snapshot !== salvage.name || record.sibling !== '')
      continue
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
