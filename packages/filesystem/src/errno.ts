import { BerthError } from '@berth/core/error'

/** Says whether a thrown value is a system error with one of these codes (`ENOENT`, …). */
export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/**
 * Turns a system error that a user can cure into a BerthError: a full disk, missing rights, a read-only or vanished mount. Anything
 * else comes back as it was, to be thrown. `action` completes the message ``could not …``: ``write `/x/y` ``.
 */
export function explainErrno(error: unknown, action: string): unknown {
  if (!(error instanceof Error)) return error
  const { code = '', path } = error as NodeJS.ErrnoException
  const known = curable[code]
  if (known === undefined) return error
  const [problem, why, hint] = known
  // The message of one that names another file than the action does would leave open which one failed.
  const where = path === undefined || action.includes(`\`${path}\``) ? '' : ` (\`${path}\`)`
  return new BerthError(`filesystem/${problem}`, `could not ${action}: ${why}${where}`, {
    hint,
    cause: error,
  })
}

const curable: Record<string, [problem: string, why: string, hint: string]> = {
  ENOSPC: [
    'no-room',
    'no space is left on the disk',
    'free some space there, or use a bigger disk',
  ],
  EDQUOT: ['no-room', 'the quota is used up', 'free some space there, or raise the quota'],
  EACCES: ['not-permitted', 'this user may not', 'run as the owner, or change the permissions'],
  EPERM: ['not-permitted', 'this user may not', 'run as the owner, or change the permissions'],
  EROFS: ['read-only', 'it is mounted read-only', 'mount it writable, or use another directory'],
  ENOTCONN: [
    'stale-mount',
    'the process that served the mount is gone',
    'unmount it and mount it again',
  ],
  ESTALE: ['stale-mount', 'the server no longer knows the mount', 'unmount it and mount it again'],
  EIO: ['disk-error', 'the disk or its server reports an error', 'check the disk, then try again'],
  ENAMETOOLONG: ['bad-path', 'the name is too long', 'use a shorter name'],
}
