import { constants, copyFile, link, mkdir, open, stat, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasErrno, temporaryName } from '@berth/filesystem'

export interface SpoolRequest {
  /** Where its bytes are. */
  source: string | Buffer
  spool: string
  /** In the spool. */
  name: string
  /** In the spool, where that name has another file already. */
  otherName: string
}

/**
 * Copies a file into a spool, whole and on the disk when it appears, and never over another. One that lies there already, by name, size and
 * time, is there. Answers the name that it has, and when its source was last written to; undefined when that was meanwhile, or it is
 * gone.
 */
export async function copyIntoSpool(
  request: SpoolRequest,
): Promise<{ name: string; mtimeMs: number } | undefined> {
  const { source, spool, name, otherName } = request
  await mkdir(spool, { recursive: true })
  // Beside the spool, so that nothing half-made is ever seen in it.
  const half = temporaryName(join(dirname(spool), 'rescue'), 'tmp')
  try {
    const before = await stat(source)
    await copyFile(source, half, constants.COPYFILE_FICLONE)
    const after = await stat(source)
    if (before.size !== after.size || before.mtimeMs !== after.mtimeMs) return undefined
    await utimes(half, after.atime, after.mtime)
    await using file = await open(half, 'r+')
    await file.sync()
    for (const free of [name, otherName]) {
      const place = join(spool, free)
      await mkdir(dirname(place), { recursive: true })
      const kept = { name: free, mtimeMs: after.mtimeMs }
      if (await putNew(half, place)) return kept
      const found = await stat(place)
      const isSame = found.size === after.size && sameTime(found.mtimeMs, after.mtimeMs)
      if (isSame) return kept
    }
    return undefined
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined
    throw error
  } finally {
    await unlink(half).catch(() => undefined)
  }
}

async function putNew(half: string, place: string): Promise<boolean> {
  try {
    await link(half, place)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    if (!hasErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error
  }
  try {
    await copyFile(half, place, constants.COPYFILE_EXCL)
    return true
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false
    throw error
  }
}

/** File systems keep times with different precision. */
function sameTime(one: number, other: number): boolean {
  return Math.abs(one - other) < 10
}
