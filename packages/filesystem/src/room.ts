import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BerthError } from '@berth/core/error'
import { hasErrno } from './errno.ts'

export interface Room {
  freeBytes: number
  /** Undefined where the file system doesn't count them (btrfs, most network and FUSE file systems). */
  freeInodes: number | undefined
}

/** What is free for an ordinary user on the file system that holds `path`, or that would: its deepest existing ancestor is asked. */
export async function readRoom(path: string): Promise<Room> {
  try {
    const { bavail, bsize, files, ffree } = await statfs(path)
    return { freeBytes: bavail * bsize, freeInodes: files > 0 ? ffree : undefined }
  } catch (error) {
    const parent = dirname(path)
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR') || parent === path) throw error
    return readRoom(parent)
  }
}

/**
 * Throws `filesystem/no-room` unless so many bytes and files fit beside `path`. `what` completes the message: ``restore `venv` ``.
 * Nothing is reserved: who writes must still expect ENOSPC.
 */
export async function requireRoom(
  path: string,
  needed: { bytes: number; files: number },
  what: string,
): Promise<void> {
  const { freeBytes, freeInodes } = await readRoom(path)
  if (needed.bytes > freeBytes) {
    throw noRoom(
      path,
      what,
      `${formatBytes(needed.bytes)} are needed and ${formatBytes(freeBytes)} are free`,
    )
  }
  if (freeInodes !== undefined && needed.files > freeInodes) {
    throw noRoom(path, what, `${needed.files} files are needed and ${freeInodes} inodes are free`)
  }
}

function noRoom(path: string, what: string, why: string): BerthError {
  return new BerthError('filesystem/no-room', `could not ${what}: ${why} at \`${path}\``, {
    hint: 'free some space there, or use a bigger disk',
  })
}

function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1)
  return power === 0 ? `${bytes} bytes` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}
