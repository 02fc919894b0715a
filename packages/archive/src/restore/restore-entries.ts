import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  openSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { createPaths } from '../format/column-entries.ts'
import { ignoring } from './ignoring.ts'
import type { TreeColumns } from '../format/manifest-columns.ts'
import { giveOwnerAt } from './restore-directories.ts'
import { type Restorer, finishFile } from './restore-files.ts'
import { fileSystemPath, toBytes } from '../format/tree.ts'

/** The few entries of a tree that are not made by its threads. */
export interface TreeEntries {
  root: string
  columns: TreeColumns
  restorer: Restorer
}

/** Long files are written in parts, by several threads; here they get their length, where that ends with a hole, and all else. */
export function finishLongFiles({ root, columns, restorer }: TreeEntries): void {
  const { files } = columns
  const pathOf = createPaths(columns)
  for (const file of files.segments.keys()) {
    const path = pathOf(directoryOf(files.starts, file), files.names.at(file))
    const fd = openSync(fileSystemPath(root, path), constants.O_WRONLY | constants.O_NOFOLLOW)
    try {
      const size = files.size[file] as number
      if (files.sparse.has(file)) ftruncateSync(fd, size)
      if (fstatSync(fd).size !== size) throw new Error(`${path} was changed while it was restored`)
      const facts = {
        mode: files.mode[file] as number,
        uid: files.uid[file] as number,
        gid: files.gid[file] as number,
        mtime: files.mtime[file] as number,
      }
      finishFile(fd, facts, { restorer })
    } finally {
      closeSync(fd)
    }
  }
}

export function createHardLinks({ root, columns }: TreeEntries): void {
  const { files, hardLinks } = columns
  const pathOf = createPaths(columns)
  for (const [directory, name, file] of hardLinks) {
    const path = fileSystemPath(root, pathOf(directory, name))
    const to = pathOf(directoryOf(files.starts, file), files.names.at(file))
    ignoring('ENOENT', () => unlinkSync(path))
    linkSync(fileSystemPath(root, to), path)
  }
}

/** After all files, so that nothing was written through one. */
export function createLinks({ root, columns, restorer }: TreeEntries): void {
  const { names, directory, target, uid, gid, mtime } = columns.links
  const pathOf = createPaths(columns)
  for (const [index, name] of names.entries()) {
    const path = fileSystemPath(root, pathOf(directory[index] as number, name))
    const to = target[index] as string
    ignoring('ENOENT', () => unlinkSync(path))
    symlinkSync(to.isWellFormed() ? to : toBytes(to), path)
    giveOwnerAt(path, { uid: uid[index] as number, gid: gid[index] as number }, restorer)
    lutimesSync(path, (mtime[index] as number) / 1e6, (mtime[index] as number) / 1e6)
  }
}

/** The last directory that begins at or before the file. */
function directoryOf(starts: Int32Array, file: number): number {
  let low = 0
  let high = starts.length - 2
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((starts[middle] as number) <= file) low = middle
    else high = middle - 1
  }
  return low
}
