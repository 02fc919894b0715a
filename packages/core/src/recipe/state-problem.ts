import { BerthError } from '../error.ts'

const REASONS: Record<string, [reason: string, hint: string]> = {
  ENOSPC: ['the disk is full', 'make room on it, or name another place with `--state-dir`'],
  EDQUOT: ['the quota is used up', 'make room, or name another place with `--state-dir`'],
  EROFS: ['the disk is read-only', 'name a writable place with `--state-dir`'],
  EACCES: ['permission is denied', 'name a place that is yours with `--state-dir`'],
  EPERM: ['it is not permitted', 'name a place that is yours with `--state-dir`'],
  ENOTDIR: ['a part of the path is no directory', 'name another place with `--state-dir`'],
}

/** The error for a file of the state directory that can't be written; anything but the usual reasons stays what it is. */
export function stateProblem(file: string, error: unknown): unknown {
  const [reason, hint] = REASONS[(error as NodeJS.ErrnoException).code ?? ''] ?? []
  if (reason === undefined || hint === undefined) return error
  const message = `could not write ${file}: ${reason}`
  return new BerthError('core/state-not-written', message, { hint, cause: error })
}
