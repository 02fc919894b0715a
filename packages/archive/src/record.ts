import { randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { isMountpoint, readFileIfPresent, writeFileAtomic } from '@berth/filesystem'
import { type Manifest, decodeManifest, encodeManifest } from './manifest.ts'
import { micros, scanTree } from './scan.ts'

/** What Berth knows of a directory on this disk; it lies beside the directory, never in it. */
export interface TreeRecord {
  archive: string
  /** The store's URL, without credentials. */
  store: string
  /** The snapshot's name, such as `00000042`, and its generation; empty and 0 while the first restore has not read one. */
  snapshot: string
  generation: number
  id: string
  /** False from the moment a restore begins until all of it is in place: such a directory is never saved. */
  complete: boolean
  /** The directory held less than the snapshot when this was written: a save must not take its gaps for deletions. */
  additive: boolean
  /** A snapshot saved beside the archive's history that holds this directory's state; empty when there is none. */
  sibling: string
  /** Microseconds: a file whose ctime is older has not been touched since the index was written. */
  watermark: number
  /** The inode of a finished staging directory that is about to be renamed into place. */
  pendingInode?: number
  /** ISO 8601, UTC. */
  writtenAt: string
}

/** The index: the state of the tree that the record speaks of, as a manifest. */
interface RecordWithIndex {
  record: TreeRecord
  index: Manifest | undefined
}

/**
 * Where the state of a directory lies: `<parent>/.berth/trees/<name>`, or inside it when the directory is a mountpoint, whose parent
 * is another disk. A link is followed first, so that the state of a linked directory lies on its volume.
 */
export async function stateDirectoryOf(directory: string): Promise<string> {
  const real = existsSync(directory)
    ? realpathSync(directory)
    : join(realParent(directory), basename(directory))
  if (await isMountpoint(real)) return join(real, '.berth', 'trees', '@')
  return join(dirname(real), '.berth', 'trees', basename(real))
}

function realParent(directory: string): string {
  const parent = dirname(directory)
  return existsSync(parent) ? realpathSync(parent) : parent
}

/** What is known of this directory, or `undefined`. An unreadable record is an error (`archive/bad-record`), never «unknown». */
export async function readRecord(directory: string): Promise<TreeRecord | undefined> {
  return readRecordIn(await stateDirectoryOf(directory))
}

export async function readRecordIn(state: string): Promise<TreeRecord | undefined> {
  const path = join(state, 'record.json')
  const bytes = await readFileIfPresent(path)
  if (bytes === undefined) return undefined
  try {
    const record = JSON.parse(bytes.toString('utf8')) as TreeRecord
    if (typeof record.complete !== 'boolean' || typeof record.archive !== 'string')
      throw new TypeError('fields are missing')
    return record
  } catch (cause) {
    throw new BerthError(
      'archive/bad-record',
      `could not read ${path}: ${(cause as Error).message}`,
      {
        hint: 'remove the file: the next save then only adds to the archive',
        cause,
      },
    )
  }
}

/** Atomic: either the old record with its index, or the new one with its own. */
export async function writeRecord(state: string, written: RecordWithIndex): Promise<void> {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  if (written.index !== undefined)
    await writeFileAtomic(indexPath(state, written.record), encodeManifest(written.index))
  await writeFileAtomic(join(state, 'record.json'), `${JSON.stringify(written.record)}\n`)
  for (const name of readdirSync(state)) {
    if (name.startsWith('index-') && join(state, name) !== indexPath(state, written.record))
      rmSync(join(state, name))
  }
}

/** The state of the tree when the record was written; `undefined` where it was lost, which only makes the next save slower. */
export async function readIndex(state: string, record: TreeRecord): Promise<Manifest | undefined> {
  const path = indexPath(state, record)
  const bytes = await readFileIfPresent(path)
  return bytes === undefined ? undefined : decodeManifest(bytes, path)
}

function indexPath(state: string, record: TreeRecord): string {
  return join(
    state,
    `index-${record.sibling === '' ? record.snapshot : record.sibling}-${record.watermark}.json.zst`,
  )
}

/**
 * Records that `to` is a verified copy of `from`: same generation, with an index for the copy's own times. Without a complete record
 * of `from` there is nothing to record.
 */
export async function copyRecord(from: string, to: string): Promise<void> {
  const fromState = await stateDirectoryOf(from)
  const record = await readRecordIn(fromState)
  if (record === undefined || !record.complete) return
  const index = await readIndex(fromState, record)
  const toState = await stateDirectoryOf(to)
  const watermark = await readFileSystemClock(toState)
  const touched = index === undefined ? undefined : await touchedSince(from, record.watermark)
  await writeRecord(toState, {
    record: { ...record, watermark, writtenAt: new Date().toISOString() },
    index: index === undefined || touched === undefined ? undefined : markSuspect(index, touched),
  })
}

async function touchedSince(directory: string, watermark: number): Promise<Set<string>> {
  const { files } = await scanTree(realpathSync(directory), { excluded: () => undefined })
  return new Set(files.filter((file) => file.ctime >= watermark).map((file) => file.path))
}

/** A copy has new ctimes, so what was touched in the original must be read again whatever its size and mtime say. */
function markSuspect(index: Manifest, touched: Set<string>): Manifest {
  const files = index.tree.files.map((file) =>
    touched.has(file.path) ? { ...file, mtime: NEVER } : file,
  )
  return { ...index, tree: { ...index.tree, files } }
}

const NEVER = -1

// The coarsest clocks of local file systems tick every 10 ms (CONFIG_HZ=100).
const CLOCK_POLL_MS = 2
const CLOCK_TICK_LIMIT_MS = 1000

/**
 * The file system's own time now, in microseconds, later than the ctime of everything written before the call: waits for its clock
 * to tick. Network file systems have a clock of their own, so ours is never compared.
 */
export async function readFileSystemClock(state: string): Promise<number> {
  const first = probeClock(state)
  const limit = Date.now() + CLOCK_TICK_LIMIT_MS
  for (;;) {
    const now = probeClock(state)
    if (now > first || Date.now() > limit) return now
    await setTimeout(CLOCK_POLL_MS)
  }
}

/** The file system's time without waiting: what is written from now on has this ctime or a later one. */
export function probeClock(state: string): number {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const probe = join(state, `clock-${randomBytes(6).toString('hex')}`)
  writeFileSync(probe, '', { flag: 'wx' })
  const { ctimeMs } = lstatSync(probe)
  rmSync(probe)
  return micros(ctimeMs)
}
