import { lstat, mkdir, readdir, rename, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { copyEntries, verifyCopy } from './copy-tree.ts'
import { finishDirectories } from './copy-metadata.ts'
import { explainErrno, hasErrno } from './errno.ts'
import { makeDirectory, syncDirectory } from './file.ts'
import { resolveReal } from './paths.ts'
import { relateDirectories } from './relation.ts'
import { removeTree } from './remove.ts'
import { refuseSystemRoot } from './system-root.ts'
import { isHalfMadeCopy, temporaryName } from './temporary.ts'

export interface CopySettings {
  /** A directory; a symlink to one is followed. */
  from: string
  to: string
  signal?: AbortSignal
  /** Called after each file and each block of a big one, with the sums so far. */
  onProgress?: (progress: { files: number; bytes: number }) => void
}

export interface CopiedTree {
  /** `exists`: something was at `to`, before or by the time the copy was whole, and stays; nothing of the copy is left. */
  result: 'copied' | 'exists'
  /** Regular files, a further name of a hard-linked one counted too; 0 when something was there from the start. */
  files: number
  /** Of their content; a hard-linked file counts once. */
  bytes: number
  /** Paths below `from` that were being written or removed at every try: what the copy holds of them may be torn. */
  changing: string[]
  /** Devices, sockets and FIFOs. */
  leftOut: string[]
}

const HEARTBEAT_MS = 60_000
// Sixty missed heartbeats: clocks of two pods differ by minutes at most.
const ABANDONED_MS = 3_600_000

/**
 * Copies a directory tree: modes, times, owners as far as this user may, symlinks word for word, hard links, empty directories,
 * holes. It grows in a hidden sibling of `to`, is read again (counts, types, sizes), and is then renamed: `to` is absent (or empty)
 * or complete at every moment, also after SIGKILL, and of two copies at once exactly one gets the place. Extended attributes are not
 * copied.
 *
 * On a failure or an abort the sibling is removed; one that a killed process left is removed by a later copy to the same place when
 * it is an hour old. The data is not fsynced file by file: the source is still there when the machine loses its power.
 */
export async function copyTree(settings: CopySettings): Promise<CopiedTree> {
  const { signal } = settings
  signal?.throwIfAborted()
  const to = resolve(settings.to)
  refuseSystemRoot(to)
  const from = await resolveSource(settings.from, to)
  try {
    if (await isOccupied(to)) {
      return { result: 'exists', files: 0, bytes: 0, changing: [], leftOut: [] }
    }
    await makeDirectory(dirname(to))
    const temporary = temporaryName(to, 'copy')
    await mkdir(temporary, { mode: 0o700 })
    return await fillAndPlace({ ...settings, from, to }, temporary)
  } catch (error) {
    throw explainErrno(error, `copy \`${from}\` to \`${to}\``)
  }
}

async function fillAndPlace(settings: CopySettings, temporary: string): Promise<CopiedTree> {
  const { to, signal } = settings
  let beating = Promise.resolve()
  const heartbeat = setInterval(() => (beating = beat(temporary)), HEARTBEAT_MS).unref()
  let isPlaced = false
  try {
    await removeAbandonedCopies(to, temporary)
    const copied = await copyEntries({ ...settings, to: temporary })
    await verifyCopy(copied, signal)
    clearInterval(heartbeat)
    // One that is under way would give the finished directory the time of now.
    await beating
    await finishDirectories(copied)
    signal?.throwIfAborted()
    isPlaced = await takePlace(temporary, to)
    const { files, bytes, changing, leftOut } = copied
    return { result: isPlaced ? 'copied' : 'exists', files, bytes, changing, leftOut }
  } finally {
    clearInterval(heartbeat)
    if (!isPlaced) await removeTree(temporary)
  }
}

async function resolveSource(from: string, to: string): Promise<string> {
  const real = await resolveReal(from)
  const isDirectory = await stat(real).then(
    (found) => found.isDirectory(),
    (error) => {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    },
  )
  if (!isDirectory) {
    throw new BerthError(
      'filesystem/not-a-directory',
      `could not copy \`${from}\`: it is not a directory`,
      {
        hint: 'name a directory that exists',
      },
    )
  }
  if ((await relateDirectories(real, to)) !== 'apart') {
    throw new BerthError(
      'filesystem/nested',
      `could not copy \`${from}\` to \`${to}\`: one holds the other`,
      {
        hint: 'name two places that lie apart',
      },
    )
  }
  return real
}

/** Says whether anything but an empty directory is there; a symlink, wherever it points, counts as something. */
async function isOccupied(path: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isDirectory()) return true
    return (await readdir(path)).length > 0
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** rename(2) puts a directory only where nothing or an empty directory is: whoever comes second gets an error. */
async function takePlace(temporary: string, to: string): Promise<boolean> {
  try {
    await rename(temporary, to)
  } catch (error) {
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
    if (!hasErrno(error, 'EBUSY')) throw error
    throw new BerthError(
      'filesystem/mount-point',
      `could not put a copy at \`${to}\`: something is mounted there`,
      {
        hint: 'copy to a directory below the mount point',
        cause: error,
      },
    )
  }
  await syncDirectory(dirname(to))
  return true
}

async function beat(temporary: string): Promise<void> {
  const now = new Date()
  // The copy itself will meet and report whatever is wrong there.
  await utimes(temporary, now, now).catch(() => undefined)
}

/** Removes siblings that a killed copy to the same place left. Renamed first, so that a copy that lives after all can't take the place half removed. */
async function removeAbandonedCopies(to: string, own: string): Promise<void> {
  const parent = dirname(to)
  const { mtimeMs: now } = await stat(own)
  const names = (await readdir(parent)).filter((name) => isHalfMadeCopy(name, basename(to)))
  for (const path of names.map((name) => join(parent, name))) {
    try {
      if (path === own || now - (await stat(path)).mtimeMs < ABANDONED_MS) continue
      const condemned = temporaryName(to, 'tmp')
      await rename(path, condemned)
      await removeTree(condemned)
    } catch (error) {
      // Another pod's copy came first, or they are another user's.
      if (!hasErrno(error, 'ENOENT', 'EACCES', 'EPERM')) throw error
    }
  }
}
