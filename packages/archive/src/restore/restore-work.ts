import { type Hash, createHash, hash } from 'node:crypto'
import { BerthError } from '@berth/core/error'
import { damageHint } from '../format/damage-hint.ts'
import { createFrameDecoder } from './frame-decoder.ts'
import type { Frame } from '../format/manifest.ts'
import { NameList } from '../format/name-list.ts'
import { GrowingDirectories, type Place, type SharedDirectories } from './restore-directories.ts'
import { type FileFacts, writeFile, writePart } from './restore-files.ts'

/** What a chunk must be before anything in it is used. */
export interface ChunkToCheck {
  /** For messages. */
  key: string
  data: Uint8Array
  sha256: string
  frames: Frame[]
}

/** A tree as the threads that restore it share it: columns, no objects. */
export interface SharedTree extends Place {
  directories: SharedDirectories
  files: {
    directory: Int32Array
    mode: Uint16Array
    uid: Uint32Array
    gid: Uint32Array
    mtime: Float64Array
    size: Float64Array
    /** In the raw bytes of its frame. */
    offset: Float64Array
    sparse: Uint8Array
    /** Joined by `/`. */
    names: string
    nameEnds: Int32Array
  }
  /** Numbers of files, by where their content lies. */
  order: Int32Array
}

/** The files with the places `[first, end)` in the order. */
export interface FilesToMake {
  first: number
  end: number
}

/** Where in a long file a frame goes. */
export interface FramePart {
  file: number
  name: string
  position: number
}

export type RestoreTask =
  /** Before all others of a tree, to each thread. */
  | { kind: 'begin'; tree: SharedTree }
  | { kind: 'make-directories' | 'finish-directories'; first: number; end: number }
  | { kind: 'make-empty-files'; files: FilesToMake }
  | {
      kind: 'restore-frame'
      key: string
      stored: Uint8Array
      raw: number
      files: FilesToMake | undefined
      parts: FramePart[]
      /** What was written before may have been wrong. */
      again: boolean
    }
  /** The frames of an object, one after another, all to one thread. */
  | { kind: 'sum-frame'; key: string; stored: Uint8Array; isFirst: boolean; sha256?: string }
  | { kind: 'check-chunk'; chunk: ChunkToCheck }

export interface RestoreTaskResult {
  /** Raw bytes that were decoded. */
  bytes: number
}

export function performRestore(task: RestoreTask): RestoreTaskResult {
  switch (task.kind) {
    case 'begin':
      growing = grow(task.tree)
      return { bytes: 0 }
    case 'make-directories':
      for (let index = task.first; index < task.end; index++) currentTree().tree.make(index)
      return { bytes: 0 }
    case 'finish-directories':
      finishDirectories(task)
      return { bytes: 0 }
    case 'make-empty-files':
      writeFiles(task.files, new Uint8Array(0))
      return { bytes: 0 }
    case 'restore-frame':
      return restoreFrame(task)
    case 'sum-frame':
      sumFrame(task)
      return { bytes: 0 }
    case 'check-chunk':
      return checkChunk(task.chunk)
  }
}

interface GrowingTree extends SharedTree {
  tree: GrowingDirectories
  names: NameList
}

let growing: GrowingTree | undefined

function grow(shared: SharedTree): GrowingTree {
  const { directories, files } = shared
  const names = new NameList(files.names, files.nameEnds)
  return { ...shared, tree: new GrowingDirectories(shared, directories), names }
}

function currentTree(): GrowingTree {
  if (growing === undefined) throw new Error('a task came before the tree that it is for')
  return growing
}

const decode = createFrameDecoder()

function decodeFrame(key: string, stored: Uint8Array, raw: number): Buffer {
  try {
    return decode(stored, raw)
  } catch (error) {
    if (error instanceof BerthError) throw damaged(key, error.message, error)
    throw error
  }
}

function damaged(key: string, how: string, cause?: BerthError): BerthError {
  return new BerthError('archive/corrupt-chunk', `${key} is damaged: ${how}`, {
    hint: damageHint(),
    ...(cause === undefined ? {} : { cause }),
  })
}

function restoreFrame(task: RestoreTask & { kind: 'restore-frame' }): RestoreTaskResult {
  const raw = decodeFrame(task.key, task.stored, task.raw)
  if (task.files !== undefined) writeFiles(task.files, raw)
  const { files, tree, mayHold } = currentTree()
  for (const { file, name, position } of task.parts) {
    const path = tree.pathIn(files.directory[file] as number, name)
    // A hole shows what was there before.
    const sparse = files.sparse[file] === 1 && !task.again && !mayHold
    writePart(path, raw, { position, sparse })
  }
  return { bytes: raw.length }
}

function writeFiles({ first, end }: FilesToMake, raw: Uint8Array): void {
  const { files, order, names, restorer, tree } = currentTree()
  for (let place = first; place < end; place++) {
    const file = order[place] as number
    const facts: FileFacts = {
      mode: files.mode[file] as number,
      uid: files.uid[file] as number,
      gid: files.gid[file] as number,
      mtime: files.mtime[file] as number,
    }
    const content = {
      raw,
      offset: files.offset[file] as number,
      size: files.size[file] as number,
      sparse: files.sparse[file] === 1,
    }
    const path = tree.pathIn(files.directory[file] as number, names.at(file))
    writeFile(path, facts, { content, restorer })
  }
}

function finishDirectories({ first, end }: { first: number; end: number }): void {
  const { tree } = currentTree()
  for (let index = end - 1; index >= first; index--) if (tree.isOpen(index)) tree.finish(index)
}

const sums = new Map<string, Hash>()

function sumFrame({ key, stored, isFirst, sha256 }: RestoreTask & { kind: 'sum-frame' }): void {
  const sum = (isFirst ? undefined : sums.get(key)) ?? createHash('sha256')
  sum.update(stored)
  if (sha256 === undefined) {
    sums.set(key, sum)
    return
  }
  sums.delete(key)
  requireSum(key, sum.digest('hex'), sha256)
}

function requireSum(key: string, found: string, sha256: string): void {
  if (found !== sha256) throw damaged(key, `its bytes have the sha256 ${found}`)
}

function checkChunk(chunk: ChunkToCheck): RestoreTaskResult {
  requireSum(chunk.key, hash('sha256', chunk.data, 'hex'), chunk.sha256)
  let bytes = 0
  let start = 0
  for (const { stored, raw } of chunk.frames) {
    bytes += decodeFrame(chunk.key, chunk.data.subarray(start, start + stored), raw).length
    start += stored
  }
  return { bytes }
}
