import { BerthError, isBerthError } from '@berth/core/error'
import type { ObjectInfo, ObjectStore, RequestOptions } from '@berth/object-store'
import { chunkKey, hashesKey, parseSnapshotName } from '../format/format.ts'
import { createLimit } from '../workers/limit.ts'
import { type Manifest, decodeManifest } from '../format/manifest.ts'
import type { DatedSnapshot } from './prune-retention.ts'
import { arrangeSnapshots } from '../snapshots/snapshots.ts'

/** A snapshot of a store, and what it needs. */
export interface ReferringSnapshot extends DatedSnapshot {
  archive: string
  key: string
  id: string
  /** Keys of chunks, and of the hashes that tell what is in them. */
  needs: string[]
}

/** Every archive of a store. */
export interface References {
  /** Of each archive: the history's newest first, then what lies beside it. */
  archives: Map<string, ReferringSnapshot[]>
  /** Objects that hold content hashes. */
  hashes: ObjectInfo[]
}

// A manifest is half a megabyte.
const REQUESTS = 8

/**
 * Reads every snapshot of every archive. Throws for one that this berth can't read: what it needs is not known. One that went away
 * meanwhile is no longer there.
 */
export async function readReferences(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<References> {
  const hashes: ObjectInfo[] = []
  const manifests: ObjectInfo[] = []
  for await (const object of store.list('snapshots/', options)) {
    if (object.key.endsWith('.hashes')) hashes.push(object)
    else if (object.key.endsWith(MANIFEST)) manifests.push(object)
  }
  const run = createLimit(REQUESTS)
  const found = await Promise.all(
    manifests.map((object) => run(() => readReferring(store, object, options))),
  )
  const archives = new Map<string, ReferringSnapshot[]>()
  for (const snapshot of found) {
    if (snapshot === undefined) continue
    archives.set(snapshot.archive, [...(archives.get(snapshot.archive) ?? []), snapshot])
  }
  for (const [archive, snapshots] of archives) archives.set(archive, inOrder(snapshots))
  return { archives, hashes }
}

const MANIFEST = '.json.zst'

async function readReferring(
  store: ObjectStore,
  { key, modifiedAt }: ObjectInfo,
  options: RequestOptions,
): Promise<ReferringSnapshot | undefined> {
  const [archive = '', file = ''] = key.slice('snapshots/'.length).split('/@/')
  const name = file.slice(0, -MANIFEST.length)
  const parsed = parseSnapshotName(name)
  if (parsed === undefined) throw unreadable(store, `${key} is no name of a snapshot`)
  const bytes = await store.get(key, options)
  if (bytes === undefined) return undefined
  const manifest = decodeOrRefuse(store, bytes, key)
  return {
    archive,
    name,
    key,
    modifiedAt,
    sibling: parsed.sibling,
    id: manifest.id,
    machines: machinesOf(manifest),
    contested: false,
    compacted: manifest.compacted === true,
    needs: neededKeys(manifest, archive),
  }
}

/** What a snapshot needs in its store. Its hashes are looked for under the name that it was saved by, wherever it lies. */
function neededKeys(manifest: Manifest, archive: string): string[] {
  const born = new Set(manifest.chunks.map((chunk) => chunk.born))
  return [
    ...manifest.chunks.map(({ sha256, kind }) => chunkKey(sha256, kind)),
    ...[...born].flatMap((name) => [hashesKey(archive, name), hashesKey(manifest.archive, name)]),
  ]
}

function machinesOf({ venvs }: Manifest): string {
  return venvs
    .map(({ path, python, soabi, architecture }) => [path, python, soabi, architecture].join(' '))
    .toSorted()
    .join('\n')
}

function inOrder(snapshots: ReferringSnapshot[]): ReferringSnapshot[] {
  const byName = new Map(snapshots.map((snapshot) => [snapshot.name, snapshot]))
  const { history, siblings } = arrangeSnapshots([...byName.keys()])
  const rivals = new Set(
    siblings.flatMap(({ name, generation }) => (name.includes('~') ? [] : [generation])),
  )
  return [...history, ...siblings].map(({ name, generation, sibling }) => ({
    ...(byName.get(name) as ReferringSnapshot),
    sibling,
    contested: !sibling && rivals.has(generation),
  }))
}

function decodeOrRefuse(store: ObjectStore, bytes: Buffer, key: string): Manifest {
  try {
    return decodeManifest(bytes, key)
  } catch (error) {
    if (!isBerthError(error)) throw error
    throw unreadable(store, error.message, error)
  }
}

function unreadable(store: ObjectStore, why: string, cause?: BerthError): BerthError {
  return new BerthError(
    cause?.code ?? 'archive/bad-manifest',
    `could not prune ${store.url}: ${why}`,
    {
      hint: 'nothing was removed, because what this snapshot needs is not known: remove its object yourself if it is of no use, or prune with the berth that wrote it',
      cause,
    },
  )
}
