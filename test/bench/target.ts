import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import type { TargetKind } from './arguments.ts'

/** An empty file system of its own for one round: its `folder` is where a tree may go. */
export interface Target {
  folder: string
  remove: () => void
}

interface Place {
  kind: TargetKind
  /** Where the image or the mountpoint lies. */
  work: string
  /** What the file system has to hold. */
  bytes: number
  files: number
}

/**
 * Makes a file system that nothing was deleted from: an ext4 without a journal, as some virtual machines have, does not reuse fresh
 * inodes for minutes, and a loop of deleting and restoring then measures that. The image has a journal, and goes when the round ends.
 */
export function makeTarget({ kind, work, bytes, files }: Place): Target {
  const folder = path.join(work, 'target')
  fs.mkdirSync(folder)
  const room = Math.ceil((bytes * 1.4 + files * 8192) / 2 ** 20) + 512
  if (kind === 'directory') {
    // Only set aside: what is deleted now would slow the next round.
    return { folder, remove: () => fs.renameSync(folder, `${folder}-used-${Date.now()}`) }
  }
  if (kind === 'tmpfs') {
    run('mount', ['-t', 'tmpfs', '-o', `size=${room}m,mode=755`, 'berth-bench', folder])
    return { folder, remove: () => unmount(folder) }
  }
  const image = path.join(work, 'target.ext4')
  fs.writeFileSync(image, '')
  fs.truncateSync(image, Math.max(room, DISK_MEGABYTES) * 2 ** 20)
  run('mkfs.ext4', ['-q', '-F', '-m', '0', ...JOURNAL, image])
  // Without the kernel's thread that fills the inode tables while the round runs.
  run('mount', ['-o', 'loop,noinit_itable', image, folder])
  return {
    folder,
    remove: () => {
      unmount(folder)
      fs.rmSync(image)
    },
  }
}

// As on a disk of ordinary size. In an image that is just large enough mkfs makes a small journal, which fills up in the middle of a
// restore and stops everyone for a second; the image is sparse, so what is not used costs nothing.
const DISK_MEGABYTES = 64 * 1024
const JOURNAL = ['-J', 'size=1024', '-E', 'lazy_journal_init=1']

/** The kind that was asked for, or plain directories where it can't be had: in a container, root may not mount. */
export function usableTarget(kind: TargetKind, work: string): TargetKind {
  try {
    makeTarget({ kind, work, bytes: 0, files: 0 }).remove()
    return kind
  } catch (error) {
    process.stderr.write(`no ${kind} here, so plain directories: ${(error as Error).message}\n`)
    fs.rmSync(path.join(work, 'target'), { recursive: true, force: true })
    return 'directory'
  }
}

/** Writes out what earlier runs left, and lets go of what the kernel remembers of file systems, where this is allowed. */
export function settle(): void {
  run('sync', [])
  try {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '2')
  } catch (error) {
    if (!REFUSALS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

const REFUSALS = ['EACCES', 'EPERM', 'EROFS', 'ENOENT']

function unmount(folder: string): void {
  try {
    run('umount', [folder])
  } catch {
    // Something that was ended a moment ago still holds it; the kernel lets go when that is gone.
    run('umount', ['-l', folder])
  }
  fs.rmdirSync(folder)
}

function run(command: string, words: string[]): void {
  execFileSync(command, words, { stdio: ['ignore', 'ignore', 'pipe'] })
}
