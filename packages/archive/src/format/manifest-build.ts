import { createPaths, directoryOf } from './column-entries.ts'
import type { Place, StoredFile } from './manifest.ts'
import type { TreeColumns } from './manifest-columns.ts'
import { EMPTY } from './manifest-tree.ts'
import { type Tree, joinPath } from './tree.ts'

/** One object for each entry of a manifest that was checked. */
export function buildTree(columns: TreeColumns): Tree<StoredFile> {
  const paths = directoryPaths(columns)
  const { directories, links, hardLinks } = columns
  const files = buildFiles(columns, paths)
  return {
    directories: paths.map((path, index) => ({
      path,
      mode: directories.mode[index] as number,
      uid: directories.uid[index] as number,
      gid: directories.gid[index] as number,
      mtime: directories.mtime[index] as number,
    })),
    files,
    links: links.names.map((name, index) => ({
      path: joinPath(paths[links.directory[index] as number] as string, name),
      target: links.target[index] as string,
      uid: links.uid[index] as number,
      gid: links.gid[index] as number,
      mtime: links.mtime[index] as number,
    })),
    hardLinks: hardLinks.map(([directory, name, file]) => ({
      path: joinPath(paths[directory] as string, name),
      to: (files[file] as StoredFile).path,
    })),
    leftOut: columns.leftOut,
  }
}

function directoryPaths({ directories: { names, parent } }: TreeColumns): string[] {
  const paths = ['']
  for (let index = 1; index < names.length; index++)
    paths.push(joinPath(paths[parent[index] as number] as string, names[index] as string))
  return paths
}

function buildFiles({ files }: TreeColumns, paths: readonly string[]): StoredFile[] {
  const built: StoredFile[] = []
  const { starts, mode, uid, gid, mtime, size, sparse } = files
  const names = files.names.toArray()
  const placeOf = createPlaces(files)
  for (const [directory, path] of paths.entries()) {
    const prefix = path === '' ? '' : `${path}/`
    const end = starts[directory + 1] as number
    for (let index = starts[directory] as number; index < end; index++) {
      built.push({
        path: prefix + (names[index] as string),
        mode: mode[index] as number,
        uid: uid[index] as number,
        gid: gid[index] as number,
        mtime: mtime[index] as number,
        size: size[index] as number,
        sparse: sparse.has(index),
        place: placeOf(index),
      })
    }
  }
  return built
}

/** A few files and links of a manifest, by their numbers. */
export function buildEntries(
  columns: TreeColumns,
  numbers: { files: readonly number[]; links: readonly number[] },
): Pick<Tree<StoredFile>, 'files' | 'links'> {
  const { files, links } = columns
  const pathOf = createPaths(columns)
  const placeOf = createPlaces(files)
  return {
    files: numbers.files.map((index) => ({
      path: pathOf(directoryOf(files.starts, index), files.names.at(index)),
      mode: files.mode[index] as number,
      uid: files.uid[index] as number,
      gid: files.gid[index] as number,
      mtime: files.mtime[index] as number,
      size: files.size[index] as number,
      sparse: files.sparse.has(index),
      place: placeOf(index),
    })),
    links: numbers.links.map((index) => ({
      path: pathOf(links.directory[index] as number, links.names[index] as string),
      target: links.target[index] as string,
      uid: links.uid[index] as number,
      gid: links.gid[index] as number,
      mtime: links.mtime[index] as number,
    })),
  }
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
