import { link, lstat, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasCode } from './directory-error.ts'

const unsupportedLink = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']
// EACCES: a directory in which one may write, but which one may not open.
const unsupportedSync = ['EACCES', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EISDIR', 'EBADF']

/** Answers false where links can't be made; throws EEXIST where the name is taken. */
export async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, unsupportedLink)) return false
    throw error
  }
}

/** Gives a staged file its name; what had the name is gone. */
export async function replaceFile(staged: string, path: string): Promise<'written'> {
  await rename(staged, path)
  return 'written'
}

/** Whether two names are of one file. */
export async function isSameFile(left: string, right: string): Promise<boolean> {
  const [a, b] = await Promise.all([lstat(left), lstat(right)])
  return a.ino === b.ino && a.dev === b.dev
}

/** Makes a directory, with a mode of its own, and its missing parents, each of them on the disk when this resolves. */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode })
  } catch (error) {
    // What is there and no directory is found out by the next call.
    if (hasCode(error, ['EEXIST'])) return
    // Not mkdir's own recursion: it says ENOENT where the file system is read-only.
    if (!hasCode(error, ['ENOENT']) || dirname(path) === path) throw error
    await makeDirectory(dirname(path))
    await mkdir(path, { mode }).catch((again: unknown) => {
      if (!hasCode(again, ['EEXIST'])) throw again
    })
  }
  await syncDirectory(dirname(path))
}

/** Whether anything has this name. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (hasCode(error, ['ENOENT'])) return false
    throw error
  }
}

/** Removes a file; content when there is none. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!hasCode(error, ['ENOENT'])) throw error
  }
}

/** Makes new names in a directory survive a power cut, where the file system can. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const directory = await open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  } catch (error) {
    // Not every network file system can.
    if (!hasCode(error, unsupportedSync)) throw error
  }
}
