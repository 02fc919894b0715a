import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import { readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { type Manifest, decodeManifest, encodeManifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import type { TreeRecord } from '../record/record.ts'
import { type SnapshotReference, readSnapshot, readSnapshotId } from '../snapshots/snapshots.ts'
import type { TreePlace } from '../record/tree-place.ts'

/** How a directory's state and the history are related. */
export interface Ancestry {
  /** The state of this tree that the history is known to hold: what a merge starts from. */
  ancestor: Manifest | undefined
  /** The tree lacks what the history has got since. */
  apart: boolean
  /** The state of the last save may not be in the history. */
  pending: boolean
}

/** What stands for a tree that was there before the archive was. */
export const NOTHING: Manifest = {
  id: '0000000000000000',
  archive: '',
  generation: 0,
  parent: null,
  created: '',
  pod: '',
  additive: false,
  venvs: [],
  chunks: [],
  tree: { directories: [], files: [], links: [], hardLinks: [], leftOut: [] },
}

interface Recorded {
  record: TreeRecord
  latest: SnapshotReference
  /** The state that the record speaks of. */
  manifest: Manifest
}

/**
 * Finds the state that a directory and the history have in common. A history without gaps holds all that was ever its newest; in a
 * store without conditional writes its newest snapshot says what it holds.
 */
export async function findAncestor(
  options: ArchiveOptions,
  place: TreePlace,
  { record, latest, manifest }: Recorded,
): Promise<Ancestry> {
  const { store, name, signal } = options
  const isNewest = record.snapshot === latest.name
  const readNewest = lazily(() => readSnapshot(store, name, latest.name, { signal }))
  const isHeld = async (id: string, isVerified: boolean): Promise<boolean> => {
    if (isNewest && isVerified) return true
    // With a suffix it was put without asking whether the generation is free.
    if (!record.snapshot.includes('-')) {
      if (isVerified) return true
      if ((await readSnapshotId(store, name, record.snapshot, { signal })) === id) return true
    }
    const newest = await readNewest()
    return newest.id === id || newest.ancestors?.includes(id) === true
  }
  const holder = record.sibling === '' ? (record.merged ?? record.id) : record.merged
  if (holder !== undefined && (await isHeld(holder, record.sibling === '')))
    return {
      ancestor: manifest,
      apart: !isNewest || record.merged !== undefined,
      pending: false,
    }
  const earlier = record.ancestor && (await readAncestor(place, record.ancestor.id))
  if (earlier === undefined) return { ancestor: undefined, apart: !isNewest, pending: false }
  const isKnown =
    earlier.id === NOTHING.id ||
    (await isHeld(record.ancestor?.holder ?? '', false)) ||
    isRelated(earlier, await readNewest())
  return { ancestor: isKnown ? earlier : undefined, apart: true, pending: isKnown }
}

function isRelated(a: Manifest, b: Manifest): boolean {
  const known = new Set([a.id, ...(a.ancestors ?? [])])
  return [b.id, ...(b.ancestors ?? [])].some((id) => known.has(id))
}

function lazily<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined
  return () => (made ??= make())
}

/** What a record says of a state that the history may lack; the state itself lies beside the record. */
export interface KeptAncestor {
  id: string
  /** The id of the history's snapshot that held it. */
  holder: string
}

const ANCESTOR = 'ancestor-'
const LOCAL = 'local-'
const END = '.json.zst'

/** Keeps the state that the next merge starts from, and no other. */
export async function keepAncestor(
  { state }: TreePlace,
  ancestor: Manifest | undefined,
): Promise<void> {
  const name = ancestor === undefined ? '' : `${ANCESTOR}${ancestor.id}${END}`
  if (ancestor !== undefined && ancestor.id !== NOTHING.id && !existsSync(join(state, name)))
    await writeFileAtomic(join(state, name), encodeManifest(ancestor))
  for (const entry of readdirSync(state))
    if (entry.startsWith(ANCESTOR) && entry !== name) rmSync(join(state, entry), { force: true })
}

async function readAncestor({ state }: TreePlace, id: string): Promise<Manifest | undefined> {
  return id === NOTHING.id ? NOTHING : tryRead(join(state, `${ANCESTOR}${id}${END}`))
}

/** Keeps the tree's own state while a snapshot that it is only a part of is put: a save that is killed then knows what is whose. */
export async function keepLocal({ state }: TreePlace, id: string, local: Manifest): Promise<void> {
  // The latest attempt is the only one that can have reached the store.
  await writeFileAtomic(join(state, `${LOCAL}${id}${END}`), encodeManifest(local)).catch(
    // A full disk must not keep anything from being saved. The next save then only adds.
    () => undefined,
  )
}

export async function readLocal({ state }: TreePlace, id: string): Promise<Manifest | undefined> {
  return tryRead(join(state, `${LOCAL}${id}${END}`))
}

export function forgetLocal({ state }: TreePlace): void {
  for (const entry of readdirSync(state))
    if (entry.startsWith(LOCAL)) rmSync(join(state, entry), { force: true })
}

async function tryRead(path: string): Promise<Manifest | undefined> {
  const bytes = await readFileIfPresent(path)
  try {
    return bytes === undefined ? undefined : decodeManifest(bytes, path)
  } catch (error) {
    if (isBerthError(error)) return undefined
    throw error
  }
}
