import { lstatSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type ExclusionRules, type NameExclusion, createExclusion } from './exclude-rules.ts'
import { buildScan } from './scan-build.ts'
import { type ScanColumns, type ScanNode, arrangeScan } from './scan-columns.ts'
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
  /** So many entries, or a few more, are read of them and of what lies below. */
  most: number
}

export interface ScanHelpers {
  size: number
  /** They have processors of their own; otherwise they are only asked when the disk keeps this thread waiting. */
  areFree: boolean
  run: (task: ScanTask) => Promise<unknown>
}

export interface ScanOptions {
  /** What stays out; without them everything goes in. */
  rules?: ExclusionRules
  signal?: AbortSignal | undefined
  /** Threads that read along. */
  helpers?: ScanHelpers
}

/** A tree as it lies on the disk: in columns, and as entries, which are built when they are first asked for. */
export interface ScannedTree {
  readonly columns: ScanColumns
  readonly tree: Tree<ScannedFile>
}

// Between two looks at the event loop, on which the requests of the save and the helpers wait.
const TURN_MS = 2
// A small tree is read to its end before a thread has started.
const ALONE_MS = 8
// More would take longer to start than they save on a local disk.
const HELPERS_BESIDE = 1
// A disk that keeps this thread waiting answers several threads as fast as one.
const WAITING_MS = 150
// While an answer is on its way a thread has another task.
const TASKS_PER_HELPER = 1
// A few milliseconds of a local disk: a helper waits that long for this thread to look for its answer. A slow one shares it out.
const ENTRIES_PER_TASK = 2000
const ENTRIES_PER_SLOW_TASK = 100
// Of what is pending a task gets one of so many parts.
const PARTS = 8

/**
 * Reads a tree's names and attributes without opening a file and without following a link. Entries that vanish meanwhile are left
 * out silently: they are gone. Sockets, pipes, devices and unreadable directories are listed in `leftOut`.
 */
export async function scanTree(root: string, options: ScanOptions = {}): Promise<ScannedTree> {
  const stats = lstatSync(root)
  const attributes = { ...ownedBy(stats), mode: stats.mode & 0o7777 }
  const scan = createScan({ root, device: stats.dev, rows: new FileRows() }, options)
  const first = scan.add('', { name: '', ...attributes })
  scan.pending.push(first)
  await scanAll(scan, options)
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
  /** Notes what was read of a directory, and puts those in it onto a stack of what is still to be read. */
  settle: (node: ScanNode, entries: ScannedDirectory, rows: FileRows, onto: ScanNode[]) => void
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
  const add: Scan['add'] = (path, found) => {
    return { path, ...found, entries: NOTHING, rows: place.rows, children: [] }
  }
  return {
    place,
    why: rules === undefined ? () => () => undefined : createExclusion(rules),
    pending: [],
    add,
    settle: (node, entries, rows, onto) => {
      node.entries = entries
      node.rows = rows
      node.children = entries.directories.map((found) =>
        add(joinPath(node.path, found.name), found),
      )
      for (let index = node.children.length - 1; index >= 0; index--)
        onto.push(node.children[index] as ScanNode)
    },
  }
}

/** In this thread, and with helpers from when it has taken a while; without this thread where the disk keeps it waiting. */
async function scanAll(scan: Scan, { signal, rules, helpers }: ScanOptions): Promise<void> {
  const { place, pending, settle } = scan
  const crew = helpers === undefined ? undefined : createCrew(scan, { helpers, rules })
  const begin = performance.now()
  const isWaiting = startWaitingGauge(begin)
  let turn = begin
  let isSlow = false
  while (pending.length > 0 || crew?.isBusy() === true) {
    const node = isSlow ? undefined : pending.pop()
    if (node === undefined) await crew?.settled()
    else settle(node, scanDirectory(place, node.path, scan.why(node.path)), place.rows, pending)
    const now = performance.now()
    if (node !== undefined && now - turn < TURN_MS) continue
    signal?.throwIfAborted()
    await setImmediate()
    turn = performance.now()
    if (crew === undefined) continue
    isSlow ||= isWaiting(turn)
    if (turn - begin > ALONE_MS) crew.employ(isSlow)
  }
}

/** Tells at a moment whether this thread has mostly waited for the disk since the beginning. */
function startWaitingGauge(begin: number): (now: number) => boolean {
  const before = process.threadCpuUsage()
  return (now) => {
    if (now - begin < WAITING_MS) return false
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / 1000 < (now - begin) / 4
  }
}

/** The helpers of a scan. */
interface Crew {
  isBusy: () => boolean
  /** Gives them what is pending, as much as they take. */
  employ: (isSlow: boolean) => void
  /** Resolves when one of them has answered. */
  settled: () => Promise<unknown>
}

function createCrew(
  { place, pending, settle }: Scan,
  { helpers, rules }: Required<Pick<ScanOptions, 'helpers'>> & Pick<ScanOptions, 'rules'>,
): Crew {
  const { root, device } = place
  const running = new Set<Promise<void>>()
  const start = (nodes: ScanNode[], most: number): void => {
    const paths = nodes.map(({ path }) => path)
    const task: ScanTask = { kind: 'scan', root, device, rules, paths, most }
    const run = helpers.run(task).then((answer) => {
      const { directories, values } = answer as ScannedBatch
      const rows = new FileRows(values)
      const walk = nodes.toReversed()
      // In the order in which the helper went.
      for (const entries of directories) settle(walk.pop() as ScanNode, entries, rows, walk)
      pending.push(...walk)
      running.delete(run)
    })
    // Whoever waits for the helpers hears of it; a scan that was ended does not wait.
    run.catch(() => {})
    running.add(run)
  }
  return {
    isBusy: () => running.size > 0,
    settled: () => Promise.race(running),
    employ: (isSlow) => {
      const beside = helpers.areFree ? Math.min(HELPERS_BESIDE, helpers.size - 1) : 0
      const count = isSlow ? helpers.size : beside
      const most = isSlow ? ENTRIES_PER_SLOW_TASK : ENTRIES_PER_TASK
      // The oldest, which are nearer to the root: most lies below them.
      while (pending.length > 0 && running.size < count * TASKS_PER_HELPER)
        start(pending.splice(0, Math.ceil(pending.length / PARTS)), most)
    },
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
