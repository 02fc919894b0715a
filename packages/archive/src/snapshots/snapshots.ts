import { BerthError } from '@berth/core/error'
import type { ObjectStore, RequestOptions } from '@berth/object-store'
import {
  formatSnapshotName,
  hintKey,
  manifestKey,
  parseSnapshotName,
  snapshotPrefix,
} from '../format/format.ts'
import { type Manifest, decodeManifest, readManifestId } from '../format/manifest.ts'
import { checkStoreFormat } from './store-files.ts'

/** A snapshot as its key tells it. */
export interface SnapshotReference {
  /** `00000042`, or with a suffix. */
  name: string
  generation: number
  sibling: boolean
}

/** What an archive holds: the history's newest snapshots first, and those that were saved beside it. */
export interface SnapshotList {
  history: SnapshotReference[]
  siblings: SnapshotReference[]
}

/**
 * All snapshots, by a listing. Of several with one generation (a store without conditional writes) the first by name counts as
 * the history's, the others as siblings.
 */
export async function readSnapshotList(
  store: ObjectStore,
  archive: string,
  options: RequestOptions & { after?: string } = {},
): Promise<SnapshotList> {
  const names: string[] = []
  const prefix = snapshotPrefix(archive)
  for await (const { key } of store.list(prefix, options))
    if (key.endsWith('.json.zst')) names.push(key.slice(prefix.length, -'.json.zst'.length))
  return arrangeSnapshots(names)
}

/** Which of an archive's snapshots are its history, and which lie beside it; what is no name of a snapshot is left away. */
export function arrangeSnapshots(names: readonly string[]): SnapshotList {
  const found = names.flatMap((name): SnapshotReference[] => {
    const parsed = parseSnapshotName(name)
    return parsed === undefined
      ? []
      : [{ name, generation: parsed.generation, sibling: parsed.sibling }]
  })
  const history = new Map<number, SnapshotReference>()
  const siblings: SnapshotReference[] = []
  for (const reference of found.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (reference.sibling || history.has(reference.generation))
      siblings.push({ ...reference, sibling: true })
    else history.set(reference.generation, reference)
  }
  return {
    history: [...history.values()].toSorted((a, b) => b.generation - a.generation),
    siblings,
  }
}

/** The history's newest snapshot, found from the hint on; the listing decides, the hint only shortens it. */
export async function findLatest(
  store: ObjectStore,
  archive: string,
  options: RequestOptions = {},
): Promise<SnapshotReference | undefined> {
  const hint = await store.get(hintKey(archive), options)
  const hinted = hint === undefined ? undefined : parseSnapshotName(hint.toString('utf8').trim())
  if (hinted !== undefined) {
    const after =
      snapshotPrefix(archive) +
      formatSnapshotName({ generation: hinted.generation, suffix: '', sibling: false })
    const { history } = await readSnapshotList(store, archive, { ...options, after })
    if (history[0] !== undefined) return history[0]
  }
  const { history } = await readSnapshotList(store, archive, options)
  return history[0]
}

/** The number of the history's newest snapshot, or `undefined` when the store has no such archive. */
export async function latestGeneration(
  store: ObjectStore,
  archive: string,
  options: RequestOptions = {},
): Promise<number | undefined> {
  return (await findLatest(store, archive, options))?.generation
}

/** Throws `archive/missing-snapshot` when the object is gone, `archive/bad-manifest` when it is damaged or another snapshot's. */
export async function readSnapshot(
  store: ObjectStore,
  archive: string,
  name: string,
  options: RequestOptions = {},
): Promise<Manifest> {
  const key = manifestKey(archive, name)
  const bytes = await store.get(key, options)
  if (bytes === undefined) {
    throw new BerthError(
      'archive/missing-snapshot',
      `could not read snapshot \`${name}\` of \`${archive}\`: ${key} is missing from ${store.url}`,
      {
        hint: 'run `berth archive list` to see the snapshots that are there',
      },
    )
  }
  const manifest = decodeManifest(bytes, key)
  requireOwnName(manifest, archive, { name, key })
  bytesOf.set(manifest, bytes)
  return manifest
}

const bytesOf = new WeakMap<Manifest, Uint8Array>()

/** What a snapshot's manifest was read from, for whoever keeps it as it is. */
export function manifestBytes(manifest: Manifest): Uint8Array | undefined {
  return bytesOf.get(manifest)
}

/** Another snapshot's manifest under this name would be a tree that nobody asked for. */
function requireOwnName(
  manifest: Manifest,
  archive: string,
  { name, key }: { name: string; key: string },
): void {
  const expected = parseSnapshotName(name)
  const isOwn =
    manifest.archive === archive &&
    manifest.generation === expected?.generation &&
    (expected.suffix === '' || expected.suffix === manifest.id)
  if (isOwn) return
  throw new BerthError(
    'archive/bad-manifest',
    `${key} holds generation ${manifest.generation} of \`${manifest.archive}\`, which has another name`,
    { hint: 'restore an older generation with `--at`, and look who moves objects in this store' },
  )
}

/** Which snapshot has this name by now: names are used anew where an archive is deleted and begun again. */
export async function readSnapshotId(
  store: ObjectStore,
  archive: string,
  name: string,
  options: RequestOptions = {},
): Promise<string | undefined> {
  const bytes = await store.get(manifestKey(archive, name), options)
  return bytes === undefined ? undefined : readManifestId(bytes)
}

/** The names of all archives in a store, by their hints and, where one is missing, their snapshots. */
export async function listArchives(
  store: ObjectStore,
  options: RequestOptions = {},
): Promise<string[]> {
  await checkStoreFormat(store, options)
  const names = new Set<string>()
  for await (const { key } of store.list('snapshots/', options)) {
    const end = key.indexOf('/@/')
    if (end > 0) names.add(key.slice('snapshots/'.length, end))
  }
  return [...names].toSorted()
}
