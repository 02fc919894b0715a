import type { Chunk, StoredFile } from './manifest.ts'
import type { TreeColumns } from './manifest-columns.ts'
import { EMPTY, SEGMENTS } from './manifest-tree.ts'

/** The same columns with other files in the place of some, by their numbers; those that were given stay as they are. */
export function replaceFiles(
  columns: TreeColumns,
  replaced: ReadonlyMap<number, StoredFile>,
): TreeColumns {
  const { files } = columns
  const own = {
    ...files,
    mode: files.mode.slice(),
    uid: files.uid.slice(),
    gid: files.gid.slice(),
    mtime: files.mtime.slice(),
    size: files.size.slice(),
    chunk: files.chunk.slice(),
    frame: files.frame.slice(),
    offset: files.offset.slice(),
    members: new Map(files.members),
    segments: new Map(files.segments),
    sparse: new Set(files.sparse),
  }
  for (const [index, file] of replaced) {
    own.mode[index] = file.mode
    own.uid[index] = file.uid
    own.gid[index] = file.gid
    own.mtime[index] = file.mtime
    own.size[index] = file.size
    if (file.sparse) own.sparse.add(index)
    else own.sparse.delete(index)
    setPlace(own, index, file.place)
  }
  return { ...columns, files: own }
}

function setPlace(files: TreeColumns['files'], index: number, place: StoredFile['place']): void {
  files.members.delete(index)
  files.segments.delete(index)
  files.frame[index] = 0
  files.offset[index] = 0
  if (place.kind === 'empty') files.chunk[index] = EMPTY
  else if (place.kind === 'segments') {
    files.chunk[index] = SEGMENTS
    files.segments.set(index, place.chunks)
  } else {
    files.chunk[index] = place.chunk
    files.frame[index] = place.frame
    files.offset[index] = place.offset
    if (place.member !== undefined) files.members.set(index, place.member)
  }
}

/** Only the chunks that the columns use, in the order that they have, and the columns with their new numbers. */
export function compactColumns(
  columns: TreeColumns,
  chunks: readonly Chunk[],
): { columns: TreeColumns; chunks: Chunk[] } {
  const { chunk, segments } = columns.files
  const isUsed = new Uint8Array(chunks.length)
  for (const number of chunk) if (number > EMPTY) isUsed[number] = 1
  for (const list of segments.values()) for (const number of list) isUsed[number] = 1
  const used = chunks.filter((_, number) => isUsed[number] === 1)
  if (used.length === chunks.length) return { columns, chunks: used }
  const numbers = new Int32Array(chunks.length)
  let next = 0
  for (const number of numbers.keys()) {
    numbers[number] = next
    next += isUsed[number] as number
  }
  const renumber = (number: number): number => numbers[number] as number
  const files = {
    ...columns.files,
    chunk: chunk.map((number) => (number > EMPTY ? renumber(number) : number)),
    segments: new Map([...segments].map(([file, list]) => [file, list.map(renumber)])),
  }
  return { columns: { ...columns, files }, chunks: used }
}
