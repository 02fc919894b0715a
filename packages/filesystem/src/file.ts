import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BerthError } from '@berth/core/error'
import { explainErrno, hasErrno } from './errno.ts'
import { temporaryName } from './temporary.ts'

export interface WriteFileSettings {
  /** Exact, whatever the umask. Without it, 0666 less the umask. */
  mode?: number
  /** For parents that have to be made; 0777 less the umask without it. */
  directoryMode?: number
}

/**
 * Writes a whole file or nothing: a temporary sibling, fsync, rename, fsync of the directory. Missing parents are made. What had the
 * name before, a symlink too, is replaced; readers see the old content or the new, and a power cut leaves one of the two.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { mode, directoryMode }: WriteFileSettings = {},
): Promise<void> {
  await makeDirectory(dirname(path), directoryMode)
  const temporary = temporaryName(path, 'tmp')
  try {
    const file = await open(temporary, 'wx', mode ?? 0o666)
    try {
      if (mode !== undefined) await file.chmod(mode)
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw explainErrno(error, `write \`${path}\``)
  }
  await syncDirectory(dirname(path))
}

/** The file's bytes, or undefined when there is none. Every other failure throws. */
export async function readFileIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Makes a directory and its missing parents; content to find it there. */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode })
  } catch (error) {
    if (hasErrno(error, 'EEXIST', 'ENOTDIR')) throw inTheWay(path, error)
    throw explainErrno(error, `make the directory \`${path}\``)
  }
}

function inTheWay(path: string, cause: unknown): BerthError {
  return new BerthError(
    'filesystem/not-a-directory',
    `could not make the directory \`${path}\`: a file is in its way`,
    {
      hint: 'move the file away, or use another path',
      cause,
    },
  )
}

/** Makes renames and new names in a directory survive a power cut, where the file system can. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch (error) {
    // Several FUSE and network file systems have no fsync for directories; the rename itself was still atomic.
    if (!hasErrno(error, 'EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF', 'EPERM', 'EACCES')) throw error
  } finally {
    await directory.close()
  }
}
