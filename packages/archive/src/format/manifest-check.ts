import { BerthError } from '@berth/core/error'
import type { Chunk } from './manifest.ts'
import type { FileColumns, TreeColumns } from './manifest-columns.ts'
import { checkNames } from './manifest-names.ts'
import { EMPTY, SEGMENTS } from './manifest-tree.ts'

interface CheckedManifest {
  id: string
  generation: number
  late?: readonly unknown[]
  chunks: readonly Chunk[]
  columns: TreeColumns
}

/**
 * Refuses a manifest that a restore could not follow safely. Paths are checked once here, so that the workers need not ask the file
 * system about each of them.
 */
export function checkManifest({
  id,
  generation,
  late = [],
  chunks,
  columns,
}: CheckedManifest): void {
  // The id becomes part of a path.
  if (!/^[0-9a-f]{8,64}$/.test(id) || !Number.isSafeInteger(generation))
    problem('it has no id or generation')
  if (!Array.isArray(late) || late.some((path) => typeof path !== 'string'))
    problem('what its save had no time for is no list of paths')
  for (const chunk of chunks) checkChunk(chunk)
  checkLinks(columns)
  checkNames(columns)
  checkPlaces(columns.files, chunks)
}

function checkChunk(chunk: Chunk): void {
  if (!/^[0-9a-f]{64}$/.test(chunk.sha256)) problem(`\`${chunk.sha256}\` is no sha256`)
  if (chunk.frames.length === 0) problem(`chunk ${chunk.sha256} has no frames`)
  for (const frame of chunk.frames) {
    if (!isCount(frame.stored) || !isCount(frame.raw))
      problem(`chunk ${chunk.sha256} has a frame without a size`)
  }
}

function checkLinks({ directories, files, links, hardLinks }: TreeColumns): void {
  const count = directories.names.length
  for (const [index, target] of links.target.entries()) {
    const name = links.names[index] ?? ''
    if (typeof target !== 'string' || target === '' || target.includes('\0'))
      problem(`the link \`${name}\` has no target`)
    if (!isBelow(links.directory[index], count))
      problem(`the link \`${name}\` lies in no directory`)
  }
  for (const [directory, name, file] of hardLinks) {
    if (typeof name !== 'string' || !isBelow(directory, count))
      problem('a hard link lies in no directory')
    if (!isBelow(file, files.names.length)) problem('a hard link names no file')
  }
}

function checkPlaces(files: FileColumns, chunks: readonly Chunk[]): void {
  const { chunk, frame, offset, size, names } = files
  for (let index = 0; index < chunk.length; index++) {
    const number = chunk[index] as number
    if (number <= EMPTY) checkUngrouped(files, index, chunks)
    else {
      const group = chunks[number]
      if (group === undefined || group.kind !== 'group')
        problem(`\`${names.at(index)}\` lies in no chunk of its kind`)
      const raw = group.frames[frame[index] as number]?.raw ?? -1
      const at = offset[index] as number
      if (!isCount(at) || at + (size[index] as number) > raw)
        problem(`\`${names.at(index)}\` lies outside its frame`)
    }
  }
  for (const [index, member] of files.members)
    if (typeof member !== 'string' || !isBelow(index, chunk.length))
      problem('a name in a tar is none')
}

function checkUngrouped(files: FileColumns, index: number, chunks: readonly Chunk[]): void {
  const size = files.size[index] as number
  if (files.chunk[index] === EMPTY && size === 0) return
  const name = files.names.at(index)
  if (files.chunk[index] === EMPTY) problem(`\`${name}\` has ${size} bytes and no place`)
  const segments = files.segments.get(index)
  if (files.chunk[index] !== SEGMENTS || segments === undefined)
    problem(`\`${name}\` has no segments`)
  const raw = segments.reduce((sum, number) => sum + rawBytes(chunks[number], name), 0)
  if (raw !== size) problem(`the segments of \`${name}\` hold ${raw} bytes instead of ${size}`)
}

function rawBytes(chunk: Chunk | undefined, name: string): number {
  if (chunk === undefined || chunk.kind !== 'segment')
    problem(`\`${name}\` lies in no chunk of its kind`)
  return chunk.frames.reduce((sum, frame) => sum + frame.raw, 0)
}

function isBelow(value: unknown, limit: number): boolean {
  return isCount(value) && value < limit
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function problem(text: string): never {
  throw new BerthError('archive/bad-manifest', `could not use the manifest: ${text}`)
}
