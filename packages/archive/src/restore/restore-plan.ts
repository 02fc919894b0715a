import { type ChunkKind, chunkKey } from '../format/format.ts'
import { type Chunk, type Frame, rawSize } from '../format/manifest.ts'
import type { TreeColumns } from '../format/manifest-columns.ts'
import { EMPTY } from '../format/manifest-tree.ts'
import { sumSizes } from '../snapshots/read-facts.ts'
import type { FilesToMake, FramePart, SharedTree } from './restore-work.ts'
import { hasRawBytes } from '../format/tree.ts'

/** What must be written from one object. */
export interface ObjectWork {
  number: number
  key: string
  sha256: string
  kind: ChunkKind
  frames: FrameWork[]
  /** Of files that are written from it. */
  bytes: number
}

export interface FrameWork extends Frame {
  /** Files of a group's frame; `undefined` where nothing of the frame is needed. */
  files: FilesToMake | undefined
  /** Of a segment's frame. */
  parts: FramePart[]
}

/** A manifest as the threads of a restore need it. */
export interface RestorePlan {
  tree: Omit<SharedTree, 'root' | 'restorer' | 'mayHold'>
  /** What is started last should end soon: the costliest first, groups and segments in turns. */
  objects: ObjectWork[]
  empty: FilesToMake[]
  /** Numbers of the files that lie in segments. */
  long: number[]
  totalBytes: number
}

/** Plans the restore of everything in a manifest. */
export function planRestore(columns: TreeColumns, chunks: readonly Chunk[]): RestorePlan {
  const { files } = columns
  const frameBase = new Int32Array(chunks.length + 1)
  for (const [index, chunk] of chunks.entries())
    frameBase[index + 1] = (frameBase[index] as number) + chunk.frames.length
  const { order, starts } = orderFiles(columns, frameBase)
  const works = chunks.map((chunk, number) => describeObject(chunk, number))
  for (const [number, work] of works.entries()) {
    for (const [index, frame] of work.frames.entries()) {
      // The first of the ranges are the empty files.
      const at = (frameBase[number] as number) + index + 1
      const [first, end] = [starts[at] as number, starts[at + 1] as number]
      if (end > first) frame.files = { first, end }
      for (let place = first; place < end; place++)
        work.bytes += files.size[order[place] as number] as number
    }
  }
  addSegments(files, chunks, works)
  return {
    tree: shareTree(columns, order),
    objects: arrange(works.filter(isNeeded)),
    empty: ranges(0, starts[1] as number, EMPTY_FILES_AT_ONCE).map(([first, end]) => ({
      first,
      end,
    })),
    long: [...files.segments.keys()],
    totalBytes: sumSizes(columns),
  }
}

const EMPTY_FILES_AT_ONCE = 500

/** The files by where their content lies: first the empty ones, then frame by frame. */
function orderFiles(
  { files }: TreeColumns,
  frameBase: Int32Array,
): { order: Int32Array; starts: Int32Array } {
  const count = files.chunk.length
  const frames = frameBase.at(-1) as number
  const place = new Int32Array(count)
  const starts = new Int32Array(frames + 2)
  for (let file = 0; file < count; file++) {
    const chunk = files.chunk[file] as number
    // -1: in segments, which are files of no frame.
    const at =
      chunk === EMPTY
        ? 0
        : chunk < EMPTY
          ? -1
          : (frameBase[chunk] as number) + (files.frame[file] as number) + 1
    place[file] = at
    if (at >= 0) starts[at + 1] = (starts[at + 1] as number) + 1
  }
  for (let at = 0; at <= frames; at++)
    starts[at + 1] = (starts[at + 1] as number) + (starts[at] as number)
  const next = starts.slice()
  const order = share(new Int32Array(starts.at(-1) as number))
  for (let file = 0; file < count; file++) {
    const at = place[file] as number
    if (at < 0) continue
    order[next[at] as number] = file
    next[at] = (next[at] as number) + 1
  }
  return { order, starts }
}

function describeObject(chunk: Chunk, number: number): ObjectWork {
  const { sha256, kind } = chunk
  const frames = chunk.frames.map((frame) => ({ ...frame, files: undefined, parts: [] }))
  return { number, key: chunkKey(sha256, kind), sha256, kind, frames, bytes: 0 }
}

function addSegments(
  files: TreeColumns['files'],
  chunks: readonly Chunk[],
  works: readonly ObjectWork[],
): void {
  for (const [file, numbers] of files.segments) {
    let position = 0
    for (const number of numbers) {
      const work = works[number] as ObjectWork
      for (const frame of work.frames) {
        frame.parts.push({ file, name: files.names.at(file), position })
        position += frame.raw
      }
      work.bytes += rawSize(chunks[number] as Chunk)
    }
  }
}

function isNeeded({ frames }: ObjectWork): boolean {
  return frames.some(({ files, parts }) => files !== undefined || parts.length > 0)
}

// What the calls for one file take, in bytes that could be decoded and written meanwhile (pnpm's engine counts the same).
const FILE_COST_BYTES = 3000

function arrange(works: readonly ObjectWork[]): ObjectWork[] {
  const cost = ({ bytes, frames }: ObjectWork): number =>
    frames.reduce(
      (sum, { files }) => sum + ((files?.end ?? 0) - (files?.first ?? 0)) * FILE_COST_BYTES,
      bytes,
    )
  const sorted = (kind: ChunkKind): { work: ObjectWork; turn: number }[] => {
    const own = works
      .filter((work) => work.kind === kind)
      .map((work) => ({ work, cost: cost(work) }))
      .toSorted((a, b) => b.cost - a.cost)
    const whole = own.reduce((sum, each) => sum + each.cost, 0)
    let before = 0
    return own.map(({ work, cost: own }) => {
      const turn = before / whole
      before += own
      return { work, turn }
    })
  }
  return [...sorted('segment'), ...sorted('group')]
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ work }) => work)
}

function shareTree(columns: TreeColumns, order: Int32Array): RestorePlan['tree'] {
  const { directories, files } = columns
  const sparse = new Uint8Array(files.names.length)
  for (const file of files.sparse) sparse[file] = 1
  const names = directories.names.join('/')
  return {
    directories: {
      parent: share(directories.parent),
      names,
      ...shareOwned(directories),
      made: share(new Uint8Array(directories.names.length)),
    },
    files: {
      directory: directoryOf(files.starts, files.names.length),
      ...shareOwned(files),
      size: share(files.size),
      offset: share(files.offset),
      sparse: share(sparse),
      names: files.names.text,
      nameEnds: share(files.names.ends),
    },
    order,
    hasRawNames: hasRawBytes(names) || hasRawBytes(files.names.text),
  }
}

function directoryOf(starts: Int32Array, count: number): Int32Array {
  const directory = share(new Int32Array(count))
  for (let index = 0; index + 1 < starts.length; index++)
    directory.fill(index, starts[index], starts[index + 1])
  return directory
}

function shareOwned(columns: TreeColumns['files'] | TreeColumns['directories']) {
  return {
    mode: share(columns.mode),
    uid: share(columns.uid),
    gid: share(columns.gid),
    mtime: share(columns.mtime),
  }
}

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

/** The same values in memory that threads share. */
function share<Values extends Column>(values: Values): Values {
  const Type = values.constructor as new (memory: SharedArrayBuffer) => Values
  const shared = new Type(new SharedArrayBuffer(values.byteLength))
  shared.set(values)
  return shared
}

/** `[first, end)` in steps. */
export function ranges(first: number, end: number, step: number): [number, number][] {
  const found: [number, number][] = []
  for (let start = first; start < end; start += step)
    found.push([start, Math.min(end, start + step)])
  return found
}
