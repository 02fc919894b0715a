import { type Dirent, type Stats, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import {
  type FileEntry,
  type Tree,
  type TreePath,
  fileSystemPath,
  fromBytes,
  joinPath,
} from './tree.ts'

/** A file as it lies on the disk now, with what tells later whether it was touched. */
export interface ScannedFile extends FileEntry {
  /** Microseconds since the epoch. */
  ctime: number
}

export interface ScanOptions {
  /** Says why a path stays out of the archive, or `undefined` when it goes in. */
  excluded: (path: TreePath) => string | undefined
  signal?: AbortSignal | undefined
}

// How many directories are read between two looks at the event loop: a few milliseconds' worth.
const DIRECTORIES_PER_TURN = 64

/**
 * Reads a tree's names and attributes without opening a file and without following a link. Entries that vanish meanwhile are left
 * out silently: they are gone. Sockets, pipes, devices and unreadable directories are listed in `leftOut`.
 */
export async function scanTree(root: string, options: ScanOptions): Promise<Tree<ScannedFile>> {
  const stats = lstatSync(root)
  const scan = createScan(root, stats.dev, options)
  scan.tree.directories.push({ path: '', ...ownedBy(stats) })
  let turns = 0
  while (scan.pending.length > 0) {
    scanDirectory(scan, scan.pending.pop() as TreePath)
    turns++
    if (turns % DIRECTORIES_PER_TURN === 0) {
      options.signal?.throwIfAborted()
      await setImmediate()
    }
  }
  return scan.tree
}

interface Scan {
  root: string
  device: number
  options: ScanOptions
  tree: Tree<ScannedFile>
  /** Directories still to be read; the last is the next, so that the walk is depth first in name order. */
  pending: TreePath[]
  /** Files with several names, by device and inode. */
  linked: Map<string, TreePath>
}

function createScan(root: string, device: number, options: ScanOptions): Scan {
  return {
    root,
    device,
    options,
    tree: { directories: [], files: [], links: [], hardLinks: [], leftOut: [] },
    pending: [''],
    linked: new Map(),
  }
}

function scanDirectory(scan: Scan, directory: TreePath): void {
  const entries = readEntries(scan, directory)
  if (entries === undefined) return
  const below: TreePath[] = []
  for (const { name, entry } of entries) {
    const path = joinPath(directory, name)
    const reason = scan.options.excluded(path)
    if (reason !== undefined) scan.tree.leftOut.push({ path, reason })
    else if (entry.isDirectory()) {
      if (addDirectory(scan, path)) below.push(path)
    } else addOther(scan, path)
  }
  for (const path of below.toReversed()) scan.pending.push(path)
}

function readEntries(
  scan: Scan,
  directory: TreePath,
): { name: string; entry: Dirent }[] | undefined {
  const path = fileSystemPath(scan.root, directory)
  try {
    const entries = readdirSync(path, { withFileTypes: true })
    const named = entries.some((entry) => entry.name.includes('\uFFFD'))
      ? readRawEntries(path)
      : entries.map((entry) => ({ name: entry.name, entry }))
    return named.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (isGone(error)) return undefined
    // The root's own trouble is the caller's; a directory below that may not be read is named, not fatal.
    if (directory === '' || !isDenied(error)) throw error
    scan.tree.leftOut.push({ path: directory, reason: 'unreadable directory', unread: true })
    return undefined
  }
}

function readRawEntries(path: string | Buffer): { name: string; entry: Dirent }[] {
  return readdirSync(path, { withFileTypes: true, encoding: 'buffer' }).map((entry) => ({
    name: fromBytes(entry.name),
    entry: entry as unknown as Dirent,
  }))
}

function addDirectory(scan: Scan, path: TreePath): boolean {
  const stats = statEntry(scan, path)
  if (stats === undefined) return false
  scan.tree.directories.push({ path, ...ownedBy(stats) })
  return true
}

function addOther(scan: Scan, path: TreePath): void {
  const stats = statEntry(scan, path)
  if (stats === undefined) return
  if (stats.isFile()) addFile(scan, path, stats)
  else if (stats.isSymbolicLink()) addLink(scan, path, stats)
  else scan.tree.leftOut.push({ path, reason: describeSpecial(stats) })
}

function addLink(scan: Scan, path: TreePath, stats: Stats): void {
  const { uid, gid, mtime } = ownedBy(stats)
  try {
    const target = fromBytes(readlinkSync(fileSystemPath(scan.root, path), { encoding: 'buffer' }))
    scan.tree.links.push({ path, target, uid, gid, mtime })
  } catch (error) {
    // EINVAL: it is no link any more.
    if (!isGone(error) && (error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  }
}

function addFile(scan: Scan, path: TreePath, stats: Stats): void {
  if (stats.nlink > 1) {
    const inode = `${stats.dev}:${stats.ino}`
    const first = scan.linked.get(inode)
    if (first !== undefined) {
      scan.tree.hardLinks.push({ path, to: first })
      return
    }
    scan.linked.set(inode, path)
  }
  const file = describeFile(path, stats)
  // Another file system, mounted in the tree, has another clock, and its times vouch for nothing.
  scan.tree.files.push(stats.dev === scan.device ? file : { ...file, ctime: Infinity })
}

function describeFile(path: TreePath, stats: Stats): ScannedFile {
  return {
    path,
    ...ownedBy(stats),
    size: stats.size,
    sparse: stats.size > 0 && stats.blocks * 512 < stats.size - 4096,
    ctime: micros(stats.ctimeMs),
  }
}

/** A regular file as it lies on the disk by now; `undefined` when there is none. */
export function rescanFile(root: string, path: TreePath): ScannedFile | undefined {
  try {
    const stats = lstatSync(fileSystemPath(root, path))
    return stats.isFile() ? describeFile(path, stats) : undefined
  } catch (error) {
    if (isGone(error) || isDenied(error)) return undefined
    throw error
  }
}

function statEntry(scan: Scan, path: TreePath): Stats | undefined {
  try {
    return lstatSync(fileSystemPath(scan.root, path))
  } catch (error) {
    if (isGone(error)) return undefined
    // A directory that may be listed but not entered.
    if (!isDenied(error)) throw error
    scan.tree.leftOut.push({ path, reason: 'unreadable', unread: true })
    return undefined
  }
}

function ownedBy(stats: Stats): { mode: number; uid: number; gid: number; mtime: number } {
  return { mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid, mtime: micros(stats.mtimeMs) }
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

function isGone(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  // ENOTDIR: a directory on the way is something else by now.
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function isDenied(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'EACCES' || code === 'EPERM'
}
