import { lstatSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type ExclusionRules, type NameExclusion, createExclusion } from './exclude-rules.ts'
import { type ScanColumns, type ScanNode, arrangeScan, buildScan } from './scan-columns.ts'
import {
  type ScanPlace,
  type ScannedDirectory,
  isDenied,
  isGone,
  isSparse,
  micros,
  ownedBy,
  scanDirectory,
} from './scan-directory.ts'
import { FileRows } from './scan-rows.ts'
import type { ScannedBatch } from './scan-work.ts'
import {
  type FileEntry,
  type Tree,
  type TreePath,
  fileSystemPath,
  joinPath,
} from '../format/tree.ts'

/** A file as it lies on the disk now, with what tells later whether it was touched. */
export interface ScannedFile extends FileEntry {
  /** Microseconds since the epoch. */
  ctime: number
}

/** What a scan asks of a thread of its own. */
export interface ScanTask {
  kind: 'scan'
  root: string
  device: number
  rules: ExclusionRules | undefined
  paths: TreePath[]
}

export interface ScanOptions {
  /** What stays out; without them everything goes in. */
  rules?: ExclusionRules
  signal?: AbortSignal | undefined
  /** Threads for a file system that is slow to answer: a local one is read faster than threads start. */
  helpers?: { size: number; run: (task: ScanTask) => Promise<unknown> }
}

/** A tree as it lies on the disk: in columns, and as entries, which are built when they are first asked for. */
export interface ScannedTree {
  readonly columns: ScanColumns
  readonly tree: Tree<ScannedFile>
}

// Between two looks at the event loop, on which the requests of the save wait.
const TURN_MS = 4
// Four threads take a tenth of a second of all processors to start: a local disk is read to its end meanwhile, but one that keeps this
// thread waiting answers several as fast as one.
const WAITING_MS = 150
const ALONE_MS = 800
const DIRECTORIES_PER_TASK = 8
// While an answer is on its way a thread has another task.
const TASKS_PER_HELPER = 2

/**
 * Reads a tree's names and attributes without opening a file and without following a link. Entries that vanish meanwhile are left
 * out silently: they are gone. Sockets, pipes, devices and unreadable directories are listed in `leftOut`.
 */
export async function scanTree(root: string, options: ScanOptions = {}): Promise<ScannedTree> {
  const stats = lstatSync(root)
  const attributes = { ...ownedBy(stats), mode: stats.mode & 0o7777 }
  const scan = createScan({ root, device: stats.dev, rows: new FileRows() }, options)
  const first = scan.add('', { name: '', ...attributes })
  await scanAlone(scan, options)
  if (scan.pending.length > 0) await scanTogether(scan, options)
  const columns = arrangeScan(first)
  let tree: Tree<ScannedFile> | undefined
  return {
    columns,
    get tree() {
      tree ??= buildScan(columns)
      return tree
    },
  }
}

interface Scan {
  place: ScanPlace
  why: (directory: TreePath) => NameExclusion
  /** Directories still to be read; the last is the next, so that the walk is depth first in name order. */
  pending: ScanNode[]
  add: (path: TreePath, found: ScannedDirectory['directories'][number]) => ScanNode
  /** Notes what was read of a directory, and that those in it are still to be read. */
  settle: (node: ScanNode, entries: ScannedDirectory, rows: FileRows) => void
}

const NOTHING: ScannedDirectory = {
  names: '',
  start: 0,
  count: 0,
  linked: [],
  directories: [],
  links: [],
  leftOut: [],
}

function createScan(place: ScanPlace, { rules }: ScanOptions): Scan {
  const pending: ScanNode[] = []
  const add: Scan['add'] = (path, found) => {
    const node = { path, ...found, entries: NOTHING, rows: place.rows, children: [] }
    pending.push(node)
    return node
  }
  return {
    place,
    why: rules === undefined ? () => () => undefined : createExclusion(rules),
    pending,
    add,
    settle: (node, entries, rows) => {
      node.entries = entries
      node.rows = rows
      for (let index = entries.directories.length - 1; index >= 0; index--) {
        const found = entries.directories[index] as ScannedDirectory['directories'][number]
        node.children.push(add(joinPath(node.path, found.name), found))
      }
      node.children.reverse()
    },
  }
}

/** In this thread, until all is read or threads would be faster. */
async function scanAlone(scan: Scan, { signal, helpers }: ScanOptions): Promise<void> {
  const begin = performance.now()
  const before = process.threadCpuUsage()
  const areNeeded = (elapsedMs: number): boolean => {
    if (elapsedMs < WAITING_MS) return false
    const { user, system } = process.threadCpuUsage(before)
    return elapsedMs > ALONE_MS || (user + system) / 1000 < elapsedMs / 4
  }
  let turn = begin
  for (let node = scan.pending.pop(); node !== undefined; node = scan.pending.pop()) {
    scan.settle(node, scanDirectory(scan.place, node.path, scan.why(node.path)), scan.place.rows)
    const now = performance.now()
    if (now - turn < TURN_MS) continue
    signal?.throwIfAborted()
    await setImmediate()
    turn = performance.now()
    if (helpers !== undefined && helpers.size > 1 && areNeeded(turn - begin)) return
  }
}

async function scanTogether(
  { place, pending, settle }: Scan,
  { rules, helpers, signal }: ScanOptions,
): Promise<void> {
  if (helpers === undefined) return
  const { root, device } = place
  const running = new Set<Promise<void>>()
  const start = (nodes: ScanNode[]): void => {
    const paths = nodes.map(({ path }) => path)
    const run = helpers.run({ kind: 'scan', root, device, rules, paths }).then((answer) => {
      const { directories, values } = answer as ScannedBatch
      const rows = new FileRows(values)
      for (const [index, node] of nodes.entries())
        settle(node, directories[index] as ScannedDirectory, rows)
      running.delete(run)
    })
    running.add(run)
  }
  while (pending.length > 0 || running.size > 0) {
    signal?.throwIfAborted()
    // The oldest, which are nearer to the root: most lies below them.
    while (pending.length > 0 && running.size < helpers.size * TASKS_PER_HELPER)
      start(pending.splice(0, DIRECTORIES_PER_TASK))
    await Promise.race(running)
  }
}

/** A regular file as it lies on the disk by now; `undefined` when there is none. */
export function rescanFile(root: string, path: TreePath): ScannedFile | undefined {
  try {
    const stats = lstatSync(fileSystemPath(root, path))
    if (!stats.isFile()) return undefined
    return {
      path,
      ...ownedBy(stats),
      mode: stats.mode & 0o7777,
      size: stats.size,
      sparse: isSparse(stats),
      ctime: micros(stats.ctimeMs),
    }
  } catch (error) {
    if (isGone(error) || isDenied(error)) return undefined
    throw error
  }
}
