import type { BigIntStats } from 'node:fs'
import { chmod, lchown, lstat, lutimes } from 'node:fs/promises'
import { hasErrno } from './errno.ts'

const SET_ID_BITS = 0o6000n
const MODE_BITS = 0o7777n
const NANOSECONDS = 1_000_000_000n

/** Gives an entry the owner, the mode and the times of another, in the order in which they don't undo each other. */
export async function applyMetadata(
  path: Buffer,
  wanted: BigIntStats,
  current: BigIntStats,
): Promise<void> {
  const isOwned = current.uid === wanted.uid && current.gid === wanted.gid
  const mayHaveIds =
    isOwned || (await tolerate(lchown(path, Number(wanted.uid), Number(wanted.gid))))
  // Setuid for the wrong owner would hand out that owner's rights; chown(2) itself clears it.
  const mode = mayHaveIds ? wanted.mode : wanted.mode & ~SET_ID_BITS
  if (!wanted.isSymbolicLink() && (!isOwned || mode !== current.mode)) {
    await tolerate(chmod(path, Number(mode & MODE_BITS)))
  }
  await tolerate(lutimes(path, toSeconds(wanted.atimeNs), toSeconds(wanted.mtimeNs)))
}

/** Directories get their mode and times last, children before parents: a new entry changes its directory's time. */
export async function finishDirectories(copy: {
  directories: readonly { to: Buffer; stats: BigIntStats }[]
}): Promise<void> {
  for (const { to, stats } of copy.directories.toReversed()) {
    await applyMetadata(to, stats, await lstat(to, { bigint: true }))
  }
}

/** Not every user may, and not every file system can; the content is what the copy is for. */
async function tolerate(action: Promise<void>): Promise<boolean> {
  try {
    await action
    return true
  } catch (error) {
    if (hasErrno(error, 'EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'))
      return false
    throw error
  }
}

/**
 * Nanoseconds as the seconds that Node takes. A double holds them to a quarter of a microsecond; rounded to whole ones as a reader of
 * `Stats.mtimeMs` would, the copy's time is the original's to whoever compares microseconds. Never up to the next second: Python compares
 * whole seconds to decide whether its bytecode is stale.
 */
export function toSeconds(nanoseconds: bigint): number {
  const whole = Number(nanoseconds / NANOSECONDS)
  const milliseconds = whole * 1000 + Number(nanoseconds % NANOSECONDS) / 1e6
  const seconds = Math.round(milliseconds * 1000) / 1e6
  return Math.floor(seconds) > whole ? whole + 0.9999995 : seconds
}
