import { buildColumns, buildSome } from './column-build.ts'
import type { Place, StoredFile } from './manifest.ts'
import type { TreeColumns } from './manifest-columns.ts'
import { EMPTY } from './manifest-tree.ts'
import type { Tree, TreePath } from './tree.ts'

/** One object for each entry of a manifest that was checked. */
export function buildTree(columns: TreeColumns): Tree<StoredFile> {
  const { files } = columns
  return buildColumns(columns, files.names.toArray(), createFiles(files))
}

/** A few files and links of a manifest, by their numbers. */
export function buildEntries(
  columns: TreeColumns,
  numbers: { files: readonly number[]; links: readonly number[] },
): Pick<Tree<StoredFile>, 'files' | 'links'> {
  const { files } = columns
  const nameOf = (index: number): string => files.names.at(index)
  return buildSome(columns, numbers, { nameOf, fileOf: createFiles(files) })
}

function createFiles(files: TreeColumns['files']): (index: number, path: TreePath) => StoredFile {
  const { mode, uid, gid, mtime, size, sparse } = files
  const placeOf = createPlaces(files)
  return (index, path) => ({
    path,
    mode: mode[index] as number,
    uid: uid[index] as number,
    gid: gid[index] as number,
    mtime: mtime[index] as number,
    size: size[index] as number,
    sparse: sparse.has(index),
    place: placeOf(index),
  })
}

function createPlaces(files: TreeColumns['files']): (index: number) => Place {
  const { chunk, frame, offset, members, segments } = files
  return (index) => {
    const number = chunk[index] as number
    if (number === EMPTY) return { kind: 'empty' }
    if (number < EMPTY) return { kind: 'segments', chunks: segments.get(index) as number[] }
    const place: Place = {
      kind: 'group',
      chunk: number,
      frame: frame[index] as number,
      offset: offset[index] as number,
    }
    const member = members.get(index)
    return member === undefined ? place : { ...place, member }
  }
}
