import { BerthError } from '@berth/core/error'

const PROBLEMS: Record<string, { code: string; why: string; hint: string }> = {
  ENOSPC: {
    code: 'archive/no-room',
    why: 'the disk is full',
    hint: 'free some room, or use a larger disk; what was there before is untouched',
  },
  EDQUOT: {
    code: 'archive/no-room',
    why: 'the quota is used up',
    hint: 'free some room, or raise the quota; what was there before is untouched',
  },
  EACCES: {
    code: 'archive/not-permitted',
    why: 'permission was denied',
    hint: 'run as a user who may read and write the directory and its parent',
  },
  EPERM: {
    code: 'archive/not-permitted',
    why: 'it is not permitted',
    hint: 'run as a user who may read and write the directory and its parent',
  },
  EROFS: {
    code: 'archive/not-permitted',
    why: 'the file system is read-only',
    hint: 'choose a directory on a disk that can be written',
  },
  EIO: {
    code: 'archive/disk-failure',
    why: 'the disk failed',
    hint: 'look at `dmesg`; move to another disk',
  },
  ENOTCONN: {
    code: 'archive/disk-failure',
    why: 'the program that serves this mount has died',
    hint: 'mount it again',
  },
  ESTALE: {
    code: 'archive/disk-failure',
    why: 'the network disk lost it',
    hint: 'mount it again',
  },
  ENOTDIR: {
    code: 'archive/not-a-directory',
    why: 'a file is where a directory should be',
    hint: 'move the file away',
  },
}

/** Node's recursive mkdir says ENOENT of a read-only file system: https://github.com/nodejs/node/issues/47098 */
const NO_PLACE = {
  code: 'archive/not-permitted',
  why: 'no directory can be made there; the file system is read-only, or a link on the way leads nowhere',
  hint: 'choose a directory on a disk that can be written',
}

/** What a user can cure of an operating system's error, as a BerthError; anything else unchanged. */
export function asDiskError(error: unknown, doing: string): unknown {
  const { code, path, syscall } = error as NodeJS.ErrnoException
  const known = code === 'ENOENT' && syscall === 'mkdir' ? NO_PLACE : PROBLEMS[code ?? '']
  const problem = error instanceof BerthError ? undefined : known
  if (problem === undefined) return error
  const place = path === undefined ? '' : ` (${path})`
  return new BerthError(problem.code, `could not ${doing}: ${problem.why}${place}`, {
    hint: problem.hint,
    cause: error,
  })
}
