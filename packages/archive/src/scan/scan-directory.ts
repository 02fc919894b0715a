import { type Stats, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import type { NameExclusion } from './exclude-rules.ts'
import { type FileRows, ROW } from './scan-rows.ts'
import { type LeftOut, type TreePath, fileSystemPath, fromBytes, joinPath } from '../format/tree.ts'

/** One directory's entries as they lie on the disk: of its own level only. Names are in the order of their code units. */
export interface ScannedDirectory {
  /** Of the files, joined by `/`. */
  names: string
  /** Where the rows of its files begin, and how many they are. */
  start: number
  count: number
  /** Files that have further names: the number in the directory, and what tells the inode. */
  linked: { index: number; inode: string }[]
  directories: { name: string; mode: number; uid: number; gid: number; mtime: number }[]
  links: { name: string; target: string; uid: number; gid: number; mtime: number }[]
  leftOut: LeftOut[]
}

export interface ScanPlace {
  root: string
  /** The tree's own file system. */
  device: number
  rows: FileRows
}

/** Reads one directory. What vanishes meanwhile is left out silently: it is gone. Throws what nobody would expect of a disk. */
export function scanDirectory(
  place: ScanPlace,
  path: TreePath,
  why: NameExclusion,
): ScannedDirectory {
  const found: ScannedDirectory = {
    names: '',
    start: place.rows.count,
    count: 0,
    linked: [],
    directories: [],
    links: [],
    leftOut: [],
  }
  const names: string[] = []
  const prefix = path === '' ? `${place.root}/` : `${place.root}/${path}/`
  const isPlain = prefix.isWellFormed()
  for (const name of readNames(place.root, path, found.leftOut)) {
    const reason = why(name)
    if (reason !== undefined) {
      found.leftOut.push({ path: joinPath(path, name), reason })
      continue
    }
    const at =
      isPlain && name.isWellFormed()
        ? prefix + name
        : fileSystemPath(place.root, joinPath(path, name))
    const stats = statEntry(at, joinPath(path, name), found.leftOut)
    if (stats === undefined) continue
    if (stats.isFile()) {
      if (stats.nlink > 1)
        found.linked.push({ index: names.length, inode: `${stats.dev}:${stats.ino}` })
      names.push(name)
      addRow(place, stats)
    } else if (stats.isDirectory()) {
      found.directories.push({ name, ...ownedBy(stats), mode: stats.mode & 0o7777 })
    } else if (stats.isSymbolicLink()) addLink(found, { name, at, stats })
    else found.leftOut.push({ path: joinPath(path, name), reason: describeSpecial(stats) })
  }
  found.names = names.join('/')
  found.count = names.length
  return found
}

function readNames(root: string, path: TreePath, leftOut: LeftOut[]): string[] {
  const at = fileSystemPath(root, path)
  try {
    const names = readdirSync(at)
    const isText = !names.some((name) => name.includes('\uFFFD'))
    return (isText ? names : readdirSync(at, { encoding: 'buffer' }).map(fromBytes)).sort()
  } catch (error) {
    if (isGone(error)) return []
    // The root's own trouble is the caller's; a directory below that may not be read is named, not fatal.
    if (path === '' || !isDenied(error)) throw error
    leftOut.push({ path, reason: 'unreadable directory', unread: true })
    return []
  }
}

function statEntry(at: string | Buffer, path: TreePath, leftOut: LeftOut[]): Stats | undefined {
  try {
    return lstatSync(at, { throwIfNoEntry: false })
  } catch (error) {
    if (isGone(error)) return undefined
    // A directory that may be listed but not entered.
    if (!isDenied(error)) throw error
    leftOut.push({ path, reason: 'unreadable', unread: true })
    return undefined
  }
}

function addRow({ rows, device }: ScanPlace, stats: Stats): void {
  const at = rows.add()
  const { values } = rows
  values[at + ROW.size] = stats.size
  values[at + ROW.mtime] = micros(stats.mtimeMs)
  // Another file system, mounted in the tree, has another clock, and its times vouch for nothing.
  values[at + ROW.ctime] = stats.dev === device ? micros(stats.ctimeMs) : Infinity
  values[at + ROW.mode] = stats.mode & 0o7777
  values[at + ROW.uid] = stats.uid
  values[at + ROW.gid] = stats.gid
  values[at + ROW.sparse] = isSparse(stats) ? 1 : 0
}

/** Fewer blocks than bytes, by more than what a file system rounds. */
export function isSparse({ size, blocks }: Stats): boolean {
  return size > 0 && blocks * 512 < size - 4096
}

function addLink(
  found: ScannedDirectory,
  { name, at, stats }: { name: string; at: string | Buffer; stats: Stats },
): void {
  try {
    const target = fromBytes(readlinkSync(at, { encoding: 'buffer' }))
    found.links.push({ name, target, ...ownedBy(stats) })
  } catch (error) {
    // EINVAL: it is no link any more.
    if (!isGone(error) && (error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  }
}

export function ownedBy(stats: Stats): { uid: number; gid: number; mtime: number } {
  return { uid: stats.uid, gid: stats.gid, mtime: micros(stats.mtimeMs) }
}

/**
 * Microseconds of a time in milliseconds, as every time of the archive is kept. Cut to what a manifest can hold, the years 1684 to
 * 2255: some programs write times of no meaning.
 */
export function micros(milliseconds: number): number {
  return Math.max(-LARGEST, Math.min(LARGEST, Math.round(milliseconds * 1000)))
}

const LARGEST = Number.MAX_SAFE_INTEGER

function describeSpecial(stats: Stats): string {
  if (stats.isSocket()) return 'socket'
  if (stats.isFIFO()) return 'named pipe'
  return stats.isBlockDevice() ? 'block device' : 'character device'
}

export function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  // ENOTDIR: a directory on the way is something else by now.
  return code === 'ENOENT' || code === 'ENOTDIR'
}

export function isDenied(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'EACCES' || code === 'EPERM'
}
