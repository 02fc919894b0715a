import { createPaths, directoryOf } from './column-entries.ts'
import type { DirectoryColumns, LinkColumns } from './manifest-columns.ts'
import {
  type FileEntry,
  type LeftOut,
  type LinkEntry,
  type Tree,
  type TreePath,
  joinPath,
} from './tree.ts'

/** What the columns of a manifest and those of a scan have in common. */
interface EntryColumns {
  directories: DirectoryColumns
  /** Where the files of each directory begin; one more than there are directories. */
  files: { starts: Int32Array }
  links: LinkColumns
  /** `[directory, name, number of the file]` */
  hardLinks: [number, string, number][]
  leftOut: LeftOut[]
}

/** One object for each entry. `names` are those of the files, which `fileOf` makes. */
export function buildColumns<File extends FileEntry>(
  columns: EntryColumns,
  names: readonly string[],
  fileOf: (index: number, path: TreePath) => File,
): Tree<File> {
  const { directories, links, hardLinks, leftOut } = columns
  const paths = directoryPaths(directories)
  const files = buildFiles(columns.files.starts, { paths, names, fileOf })
  const pathIn = (directory: number, name: string): TreePath =>
    joinPath(paths[directory] as string, name)
  return {
    directories: paths.map((path, index) => ({
      path,
      mode: directories.mode[index] as number,
      uid: directories.uid[index] as number,
      gid: directories.gid[index] as number,
      mtime: directories.mtime[index] as number,
    })),
    files,
    links: links.names.map((_, index) => buildLink(links, index, pathIn)),
    hardLinks: hardLinks.map(([directory, name, file]) => ({
      path: pathIn(directory, name),
      to: (files[file] as File).path,
    })),
    leftOut,
  }
}

function directoryPaths({ names, parent }: DirectoryColumns): TreePath[] {
  const paths = ['']
  for (let index = 1; index < names.length; index++)
    paths.push(joinPath(paths[parent[index] as number] as string, names[index] as string))
  return paths
}

interface FileSource<File> {
  /** Of the directories. */
  paths: readonly TreePath[]
  names: readonly string[]
  fileOf: (index: number, path: TreePath) => File
}

function buildFiles<File>(starts: Int32Array, { paths, names, fileOf }: FileSource<File>): File[] {
  const built: File[] = []
  for (const [directory, path] of paths.entries()) {
    const prefix = path === '' ? '' : `${path}/`
    const end = starts[directory + 1] as number
    for (let index = starts[directory] as number; index < end; index++)
      built.push(fileOf(index, prefix + (names[index] as string)))
  }
  return built
}

function buildLink(
  links: LinkColumns,
  index: number,
  pathIn: (directory: number, name: string) => TreePath,
): LinkEntry {
  return {
    path: pathIn(links.directory[index] as number, links.names[index] as string),
    target: links.target[index] as string,
    uid: links.uid[index] as number,
    gid: links.gid[index] as number,
    mtime: links.mtime[index] as number,
  }
}

/** A few files and links, by their numbers. */
export function buildSome<File extends FileEntry>(
  columns: EntryColumns,
  numbers: { files: readonly number[]; links: readonly number[] },
  source: { nameOf: (index: number) => string; fileOf: (index: number, path: TreePath) => File },
): Pick<Tree<File>, 'files' | 'links'> {
  const { files, links } = columns
  const pathIn = createPaths(columns)
  return {
    files: numbers.files.map((index) =>
      source.fileOf(index, pathIn(directoryOf(files.starts, index), source.nameOf(index))),
    ),
    links: numbers.links.map((index) => buildLink(links, index, pathIn)),
  }
}
