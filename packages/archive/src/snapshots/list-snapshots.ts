import type { ObjectStore, RequestOptions } from '@berth/object-store'
import { findBeside } from './beside.ts'
import { type Difference, compareSnapshots } from './difference.ts'
import { type Manifest, storedBytes, totalBytes } from '../format/manifest.ts'
import { checkArchiveName } from '../format/name.ts'
import {
  type SnapshotReference,
  listArchives,
  readSnapshot,
  readSnapshotList,
} from './snapshots.ts'
import { checkStoreFormat } from './store-files.ts'

export interface SnapshotInfo extends SnapshotReference {
  archive: string
  id: string
  /** The history did not go on from it, whatever place its name has. */
  beside: boolean
  /** ISO 8601, UTC; by the pod's clock. */
  created: string
  pod: string
  files: number
  /** Of the files, uncompressed. */
  bytes: number
  /** Of all chunks that it needs, as stored. */
  storedBytes: number
  python: string[]
  /** Its directory's past was not known, so nothing was left away. */
  additive: boolean
  /** Paths that were there and could not be read. */
  unread: number
  /** What its save had no time for, by custom node, environment or directory. */
  late: string[]
  /** The id of the snapshot that it was made from. */
  parent: string | null
  /** It holds its parent's files, in fewer or fuller chunks. */
  compacted: boolean
  /** It was made by a repair of that snapshot, of which so many files were lost. */
  lacks?: { of: string; files: number }
  /** Against its parent, where that is still there and it was asked for. */
  changes?: Difference & { since: string }
}

/** An archive in few words. */
export interface ArchiveInfo {
  archive: string
  snapshots: number
  siblings: number
  /** Of the history's newest, as are the following. */
  generation: number
  created: string
  pod: string
  files: number
  bytes: number
  storedBytes: number
  python: string[]
  /** When the oldest snapshot was made. */
  oldest: string
  /** Of the chunks of all its snapshots; another archive may share them. */
  allStoredBytes: number
  /** What the newest's save had no time for. */
  late: string[]
  /** Of the newest: it was made by a repair of that snapshot, of which so many files were lost. */
  lacks?: { of: string; files: number }
}

/** Every snapshot of an archive, newest first, those whose names put them beside the history last; reads each manifest. */
export async function listSnapshots(
  store: ObjectStore,
  archive: string,
  options: RequestOptions & { changes?: boolean } = {},
): Promise<SnapshotInfo[]> {
  const infos: SnapshotInfo[] = []
  let newer: { info: SnapshotInfo; manifest: Manifest } | undefined
  for await (const { reference, manifest } of readAll(store, archive, options)) {
    const info = describe(archive, reference, manifest)
    // Most snapshots were made from the one before: its tree is at hand, and no more than two are in memory.
    if (options.changes === true && newer?.info.parent === manifest.id)
      addChanges(newer, { info, manifest })
    infos.push(info)
    newer = { info, manifest }
  }
  if (options.changes === true) await compareOthers(store, infos, options)
  return infos
}

interface Described {
  info: SnapshotInfo
  manifest: Manifest
}

function addChanges(newer: Described, older: Described): void {
  newer.info.changes = {
    since: older.info.name,
    ...compareSnapshots(older.manifest, newer.manifest),
  }
}

/** Snapshots beside the history, and those whose parent lies further back. */
async function compareOthers(
  store: ObjectStore,
  infos: readonly SnapshotInfo[],
  options: RequestOptions,
): Promise<void> {
  const byId = new Map(infos.map((info) => [info.id, info]))
  for (const info of infos) {
    const parent = byId.get(info.parent ?? '')
    if (info.changes !== undefined || parent === undefined) continue
    const read = ({ archive, name }: SnapshotInfo) => readSnapshot(store, archive, name, options)
    const [manifest, older] = [await read(info), await read(parent)]
    addChanges({ info, manifest }, { info: parent, manifest: older })
  }
}

/** Every archive of a store, or those below a name, with the size of its newest snapshot and of its past. */
export async function describeArchives(
  store: ObjectStore,
  options: RequestOptions & { below?: string } = {},
): Promise<ArchiveInfo[]> {
  const infos: ArchiveInfo[] = []
  const start = options.below === undefined ? '' : `${options.below}/`
  for (const archive of await listArchives(store, options)) {
    if (!archive.startsWith(start)) continue
    const chunks = new Map<string, number>()
    const snapshots: SnapshotInfo[] = []
    for await (const { reference, manifest } of readAll(store, archive, options)) {
      for (const chunk of manifest.chunks) chunks.set(chunk.sha256, storedBytes(chunk))
      snapshots.push(describe(archive, reference, manifest))
    }
    const [newest] = snapshots
    if (newest === undefined) continue
    const { generation, created, pod, files, bytes, python, lacks, late } = newest
    const siblings = snapshots.filter(({ beside }) => beside).length
    infos.push({
      archive,
      snapshots: snapshots.length - siblings,
      siblings,
      generation,
      created,
      pod,
      files,
      bytes,
      storedBytes: newest.storedBytes,
      python,
      oldest: snapshots.findLast(({ beside }) => !beside)?.created ?? created,
      allStoredBytes: [...chunks.values()].reduce((sum, size) => sum + size, 0),
      late,
      ...(lacks === undefined ? {} : { lacks }),
    })
  }
  return infos
}

async function* readAll(
  store: ObjectStore,
  archive: string,
  options: RequestOptions,
): AsyncGenerator<{ reference: PlacedReference; manifest: Manifest }> {
  checkArchiveName(archive)
  await checkStoreFormat(store, options)
  const { history, siblings } = await readSnapshotList(store, archive, options)
  let beside: ReadonlySet<string> | undefined
  for (const found of [...history, ...siblings]) {
    const manifest = await readSnapshot(store, archive, found.name, options)
    beside ??= findBeside({ history, siblings }, manifest)
    yield { reference: { ...found, beside: beside.has(found.name) }, manifest }
  }
}

type PlacedReference = SnapshotReference & Pick<SnapshotInfo, 'beside'>

function describe(
  archive: string,
  reference: PlacedReference,
  { id, created, pod, tree, chunks, venvs, additive, parent, compacted, lacks, late }: Manifest,
): SnapshotInfo {
  return {
    ...reference,
    archive,
    id,
    created,
    pod,
    additive,
    parent,
    compacted: compacted === true,
    ...(lacks === undefined ? {} : { lacks }),
    files: tree.files.length,
    bytes: totalBytes(tree),
    storedBytes: chunks.reduce((sum, chunk) => sum + storedBytes(chunk), 0),
    python: venvs.map((venv) => venv.python),
    late: late ?? [],
    unread: tree.leftOut.filter(({ unread }) => unread).length,
  }
}
