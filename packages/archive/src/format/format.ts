/** Version of the layout and of the manifest; a store with a newer one is refused. */
export const FORMAT = 1

/** Files up to this size are grouped; longer ones are cut into segments. */
export const SMALL_FILE_BYTES = 4 * 1024 * 1024
/** Raw bytes of one segment object, and of one of its frames. */
export const SEGMENT_BYTES = 16 * 1024 * 1024
export const SEGMENT_FRAME_BYTES = 4 * 1024 * 1024
/** Groups and their frames are cut at file edges near these raw sizes. */
export const GROUP_MIN_BYTES = 4 * 1024 * 1024
export const GROUP_MAX_BYTES = 16 * 1024 * 1024
export const GROUP_MAX_FILES = 3000
export const FRAME_BYTES = 4 * 1024 * 1024

export type ChunkKind = 'group' | 'segment'

/** Where a chunk lies: named by the sha256 of its stored bytes, so that `sha256sum` checks it. */
export function chunkKey(sha256: string, kind: ChunkKind): string {
  return `chunks/${sha256.slice(0, 2)}/${sha256}${kind === 'group' ? '.tar.zst' : '.zst'}`
}

/**
 * A snapshot's place in its archive. `00000042`: generation 42. `00000042-1f0c…`: the same in a store without conditional writes.
 * `00000042~1f0c…`: a sibling, saved beside the archive's history and never restored unless it is asked for by name.
 */
export interface SnapshotName {
  generation: number
  suffix: string
  sibling: boolean
}

export function formatSnapshotName(name: SnapshotName): string {
  const generation = String(name.generation).padStart(8, '0')
  if (name.suffix === '') return generation
  return `${generation}${name.sibling ? '~' : '-'}${name.suffix}`
}

const SNAPSHOT_NAME = /^(\d{8,})(?:([-~])([0-9a-f]+))?$/

export function parseSnapshotName(text: string): SnapshotName | undefined {
  const match = SNAPSHOT_NAME.exec(text)
  if (match === null) return undefined
  return { generation: Number(match[1]), suffix: match[3] ?? '', sibling: match[2] === '~' }
}

export function snapshotPrefix(archive: string): string {
  return `snapshots/${archive}/@/`
}

export function manifestKey(archive: string, snapshot: string): string {
  return `${snapshotPrefix(archive)}${snapshot}.json.zst`
}

export function hashesKey(archive: string, snapshot: string): string {
  return `${snapshotPrefix(archive)}${snapshot}.hashes`
}

export function hintKey(archive: string): string {
  // With the `@`, so that in a directory one archive can lie below another.
  return `latest/${archive}/@`
}

export const STORE_FILE_KEY = 'berth.json'
export const README_KEY = 'README.txt'
