import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs'
import type { StoredFile } from './manifest.ts'
import { type Restorer, finishFile, modeOfNew } from './restore-work.ts'
import {
  type DirectoryEntry,
  type HardLinkEntry,
  type LinkEntry,
  fileSystemPath,
  toBytes,
} from './tree.ts'

/** Parents first, writable for us until all is in; `finishDirectories` gives them their modes and times. */
export function createDirectories(root: string, directories: readonly DirectoryEntry[]): void {
  for (const directory of directories) {
    if (directory.path === '') continue
    const path = fileSystemPath(root, directory.path)
    const mode = (directory.mode & 0o777) | 0o700
    // A continued restore may find it finished already, and no longer writable.
    const made = ignoring('EEXIST', () => mkdirSync(path, { mode }))
    if (!made) chmodSync(path, mode)
  }
}

const LONG_MODE = 0o600

/** Long files get their full length at once, as a hole, so that their segments can be written in any order. */
export function createLongFiles(root: string, files: readonly StoredFile[]): void {
  for (const file of files) {
    if (file.place.kind !== 'segments') continue
    const path = fileSystemPath(root, file.path)
    ignoring('ENOENT', () => chmodSync(path, LONG_MODE))
    const fd = openSync(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW,
      LONG_MODE,
    )
    try {
      ftruncateSync(fd, file.size)
    } finally {
      closeSync(fd)
    }
  }
}

export function finishLongFiles(
  root: string,
  files: readonly StoredFile[],
  restorer: Restorer,
): void {
  for (const file of files) {
    if (file.place.kind !== 'segments') continue
    const fd = openSync(fileSystemPath(root, file.path), constants.O_WRONLY | constants.O_NOFOLLOW)
    try {
      finishFile(fd, file, { restorer })
    } finally {
      closeSync(fd)
    }
  }
}

export function createEmptyFiles(
  root: string,
  files: readonly StoredFile[],
  restorer: Restorer,
): void {
  for (const file of files) {
    if (file.place.kind !== 'empty') continue
    const path = fileSystemPath(root, file.path)
    // A continued restore may find it there, with a mode that forbids opening.
    ignoring('ENOENT', () => unlinkSync(path))
    const fd = openSync(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      file.mode & 0o777,
    )
    try {
      finishFile(fd, file, { restorer, made: modeOfNew(file.mode, restorer) })
    } finally {
      closeSync(fd)
    }
  }
}

export function createHardLinks(root: string, links: readonly HardLinkEntry[]): void {
  for (const link of links) {
    const path = fileSystemPath(root, link.path)
    ignoring('ENOENT', () => unlinkSync(path))
    linkSync(fileSystemPath(root, link.to), path)
  }
}

/** After all files, so that nothing was written through one. */
export function createLinks(root: string, links: readonly LinkEntry[], restorer: Restorer): void {
  for (const link of links) {
    const path = fileSystemPath(root, link.path)
    ignoring('ENOENT', () => unlinkSync(path))
    symlinkSync(link.target.isWellFormed() ? link.target : toBytes(link.target), path)
    giveOwner(path, link, restorer)
    lutimesSync(path, link.mtime / 1e6, link.mtime / 1e6)
  }
}

/**
 * Children before parents: every entry made in a directory sets its time anew. The tree itself stays writable for us: rename(2) needs
 * that of a directory that gets another parent; `finishDirectory` ends it.
 */
export function finishDirectories(
  root: string,
  directories: readonly DirectoryEntry[],
  restorer: Restorer,
): void {
  for (const directory of directories.toReversed()) {
    const isTree = directory.path === ''
    finishDirectory(
      fileSystemPath(root, directory.path),
      isTree ? { ...directory, mode: directory.mode | 0o700 } : directory,
      restorer,
    )
  }
}

export function finishDirectory(
  path: string | Buffer,
  directory: DirectoryEntry,
  restorer: Restorer,
): void {
  giveOwner(path, directory, restorer)
  chmodSync(path, directory.mode)
  utimesSync(path, directory.mtime / 1e6, directory.mtime / 1e6)
}

function giveOwner(
  path: string | Buffer,
  entry: { uid: number; gid: number },
  restorer: Restorer,
): void {
  if (!restorer.isRoot || (entry.uid === restorer.uid && entry.gid === restorer.gid)) return
  ignoring('EPERM', () => ignoring('EINVAL', () => lchownSync(path, entry.uid, entry.gid)))
}

/** Answers whether the action went through. */
export function ignoring(code: string, action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
    return false
  }
}
