import type { OwnedColumns, TreeColumns } from './manifest-columns.ts'
import {
  EMPTY,
  type EncodedOwned,
  type EncodedTree,
  type Runs,
  encodeNames,
} from './manifest-tree.ts'
import { TAR_BLOCK, tarPadding } from './tar-layout.ts'
import { hasRawBytes } from './tree.ts'

/** The same as `encodeTree` of the tree that the columns hold; `undefined` where a name isn't UTF-8: that needs the paths. */
export function encodeColumns(columns: TreeColumns): EncodedTree | undefined {
  const { directories, files, links, hardLinks, leftOut } = columns
  const texts = [files.names.text, ...directories.names, ...links.names]
  if (texts.some(hasRawBytes) || hardLinks.some(([, name]) => hasRawBytes(name))) return undefined
  return {
    directories: {
      mode: runs(directories.mode),
      ...encodeOwned(directories),
      up: Array.from(directories.parent, (parent, index) => (index === 0 ? 0 : index - parent)),
      names: directories.names.join('/'),
    },
    files: {
      mode: runs(files.mode),
      ...encodeOwned(files),
      size: Array.from(files.size),
      chunk: runs(files.chunk),
      ...encodePlaces(files),
      count: Array.from(
        files.starts.subarray(1),
        (end, index) => end - (files.starts[index] as number),
      ),
      ...encodeNames(files.names.text),
    },
    links: {
      directory: runs(links.directory),
      names: links.names.join('/'),
      target: links.target,
      ...encodeOwned(links),
    },
    hardLinks,
    leftOut,
    raw: { directories: [], files: [], links: [], hardLinks: [] },
  }
}

function encodeOwned(
  columns: Pick<OwnedColumns, 'uid' | 'gid' | 'mtime'>,
): Omit<EncodedOwned, 'mode'> {
  let before = 0
  return {
    uid: runs(columns.uid),
    gid: runs(columns.gid),
    mtime: Array.from(columns.mtime, (mtime) => {
      const difference = mtime - before
      before = mtime
      return difference
    }),
  }
}

function encodePlaces(
  files: TreeColumns['files'],
): Pick<EncodedTree['files'], 'frame' | 'skip' | 'members' | 'segments' | 'sparse'> {
  const { chunk, frame, offset, size, members, segments, sparse } = files
  const frames: number[] = []
  const skips: number[] = []
  let lastChunk = -1
  let lastFrame = -1
  let end = 0
  for (let index = 0; index < chunk.length; index++) {
    const number = chunk[index] as number
    if (number <= EMPTY) continue
    const own = frame[index] as number
    const at = offset[index] as number
    const start = number === lastChunk && own === lastFrame ? end : 0
    frames.push(own)
    skips.push(at - start - TAR_BLOCK)
    lastChunk = number
    lastFrame = own
    end = at + (size[index] as number) + tarPadding(size[index] as number)
  }
  return {
    frame: runs(frames),
    skip: runs(skips),
    members: [...members].toSorted(([a], [b]) => a - b),
    segments: [...segments]
      .toSorted(([a], [b]) => a - b)
      .map(([index, chunks]) => [index, ...chunks]),
    sparse: [...sparse].toSorted((a, b) => a - b),
  }
}

function runs(values: ArrayLike<number>): Runs {
  const result: Runs = []
  for (let index = 0; index < values.length;) {
    const value = values[index] as number
    const start = index
    while (index < values.length && values[index] === value) index++
    result.push(value, index - start)
  }
  return result
}
