import { buildColumns, buildSome } from '../format/column-build.ts'
import type { ScanColumns } from './scan-columns.ts'
import type { ScannedFile } from './scan.ts'
import type { Tree, TreePath } from '../format/tree.ts'

/** One object for each entry of a scan. */
export function buildScan(columns: ScanColumns): Tree<ScannedFile> {
  const { files } = columns
  return buildColumns(columns, files.names.split('/'), createFiles(files))
}

/** A few files and links of a scan, by their numbers. */
export function buildScannedEntries(
  columns: ScanColumns,
  numbers: { files: readonly number[]; links: readonly number[] },
): Pick<Tree<ScannedFile>, 'files' | 'links'> {
  const { files } = columns
  const names = numbers.files.length === 0 ? [] : files.names.split('/')
  const nameOf = (index: number): string => names[index] as string
  return buildSome(columns, numbers, { nameOf, fileOf: createFiles(files) })
}

function createFiles(files: ScanColumns['files']): (index: number, path: TreePath) => ScannedFile {
  const { size, mtime, ctime, mode, uid, gid, sparse } = files
  return (index, path) => ({
    path,
    mode: mode[index] as number,
    uid: uid[index] as number,
    gid: gid[index] as number,
    mtime: mtime[index] as number,
    size: size[index] as number,
    sparse: sparse[index] === 1,
    ctime: ctime[index] as number,
  })
}
