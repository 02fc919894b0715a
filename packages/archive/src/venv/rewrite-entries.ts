import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import type { RewrittenFile, RewrittenLink } from './rewritten.ts'
import { fileSystemPath } from '../format/tree.ts'

export interface FileToRewrite extends RewrittenFile {
  mode: number
  /** Microseconds. */
  mtime: number
  /** In base64. */
  content: string
}

export interface LinkToRewrite extends RewrittenLink {
  /** Microseconds. */
  mtime: number
}

/** In place, so that owner and hard links stay; may be done again after it was cut. */
export function rewriteFile(root: string, file: FileToRewrite): void {
  const path = fileSystemPath(root, file.path)
  const content = Buffer.from(file.content, 'base64')
  // Owners without write permission can give it to themselves.
  if ((file.mode & 0o200) === 0) chmodSync(path, file.mode | 0o200)
  const fd = openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    for (let written = 0; written < content.length;)
      written += writeSync(fd, content, written, content.length - written, written)
    ftruncateSync(fd, content.length)
    // A write clears the set-id bits.
    fchmodSync(fd, file.mode)
    futimesSync(fd, file.mtime / 1e6, file.mtime / 1e6)
  } finally {
    closeSync(fd)
  }
}

export function rewriteLink(root: string, link: LinkToRewrite): void {
  const path = fileSystemPath(root, link.path)
  const { uid, gid } = lstatSync(path, { throwIfNoEntry: false }) ?? { uid: -1, gid: -1 }
  rmSync(path, { force: true })
  symlinkSync(link.target, path)
  if (process.getuid?.() === 0) lchownSync(path, uid, gid)
  lutimesSync(path, link.mtime / 1e6, link.mtime / 1e6)
}
