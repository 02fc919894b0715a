import { constants } from 'node:os'
import { BerthError } from '@berth/core/error'

interface Problem {
  code: string
  why: string
  hint: string
}

const problems: Record<string, Problem> = {
  ENOSPC: { code: 'no-room', why: 'the disk is full', hint: 'free some space on it' },
  EDQUOT: {
    code: 'no-room',
    why: 'the quota is used up',
    hint: 'free some space, or ask for more',
  },
  EFBIG: {
    code: 'no-room',
    why: 'a file may not be that big',
    hint: 'raise the limit (ulimit -f)',
  },
  EACCES: {
    code: 'access-denied',
    why: 'permission denied',
    hint: 'check its owner and its permissions, also those of the directories above it',
  },
  EPERM: {
    code: 'access-denied',
    why: 'operation not permitted',
    hint: 'check its owner and whether the mount allows it',
  },
  EROFS: {
    code: 'read-only',
    why: 'the file system is read-only',
    hint: 'mount it writable, or choose another store',
  },
  ENOTDIR: {
    code: 'not-a-directory',
    why: 'a part of the path is a file',
    hint: 'choose another directory, or move that file away',
  },
  EISDIR: {
    code: 'not-a-file',
    why: 'there is a directory with that name',
    hint: 'choose another key, or move that directory away',
  },
  ENAMETOOLONG: { code: 'bad-key', why: 'a name is too long', hint: 'use shorter names' },
  EIO: {
    code: 'disk-error',
    why: 'the disk reported an error',
    hint: 'look at the kernel log, and check the disk or the network volume',
  },
  ESTALE: {
    code: 'disk-error',
    why: 'the network volume is stale',
    hint: 'mount it again',
  },
  ENOTCONN: {
    code: 'disk-error',
    why: 'the mount is broken',
    hint: 'unmount it and mount it again',
  },
}

/** Says whether an error is a system error with one of these codes. */
export function hasCode(error: unknown, codes: readonly string[]): boolean {
  return codes.includes(codeOf(error) ?? '')
}

/** Turns a system error into a BerthError; everything else stays what it is. */
export function directoryError(error: unknown, verb: string, url: string, key: string): unknown {
  if (error instanceof BerthError) return error
  const problem = problems[codeOf(error) ?? '']
  if (problem === undefined) return error
  const what = key === '' ? url : `\`${key}\` in ${url}`
  const code = `object-store/${problem.code}`
  return new BerthError(code, `could not ${verb} ${what}: ${problem.why}`, {
    hint: problem.hint,
    cause: error,
  })
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, errno } = error as NodeJS.ErrnoException
  if (code === undefined || /^E[A-Z0-9]+$/.test(code)) return code
  // libuv has no names for ESTALE and EDQUOT.
  return Object.entries(constants.errno).find(([, value]) => value === -(errno ?? 0))?.[0]
}
