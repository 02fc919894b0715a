import { join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { refuseSystemRoot } from '@berth/filesystem'

export interface LayoutQuestion {
  /** Absolute. */
  workspace: string
  folder: string
  /** Empty for a folder without users. */
  user: string
}

export interface Layout {
  /** Where apps find the folder. */
  path: string
  /** Where its files are, below the store's prefix; without slashes at its ends. */
  subfolder: string
}

/**
 * Where a user's folder is, here and in the bucket: `<workspace>/output/alice` and `output/alice/`. Throws `s3-link/bad-user` for a name that
 * is no single, plain path component, `s3-link/bad-path`, and `filesystem/system-root`.
 */
export function layoutOf({ workspace, folder, user }: LayoutQuestion): Layout {
  if (user !== '' && !/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(user)) {
    throw new BerthError('s3-link/bad-user', `could not use the user name \`${user}\``, {
      hint: 'use up to 64 letters, digits, `.`, `_` and `-`, and no `.` at the beginning',
    })
  }
  const subfolder = [...folder.split('/').filter(Boolean), user].filter(Boolean).join('/')
  requirePlainPath(subfolder)
  requirePlainPath(workspace)
  const path = join(workspace, subfolder)
  if (subfolder === '') {
    throw new BerthError('s3-link/bad-path', `could not link all of \`${workspace}\``, {
      hint: 'name a `folder` in it, such as `output`',
    })
  }
  refuseSystemRoot(path)
  return { path, subfolder }
}

/**
 * Throws `s3-link/bad-path` for what would mean something else to a driver (a comma separates the options of s3fs, a colon the bucket from
 * its path), or leads out of the folder.
 */
export function requirePlainPath(path: string): void {
  const why = [
    // oxlint-disable-next-line no-control-regex
    [/[\0-\x1f\x7f]/, 'it holds a control character'],
    [/,/, 'it holds a comma, which separates the options of a mount'],
    [/:/, 'it holds a colon, which separates a bucket from a path'],
    [/(?:^|\/)\.\.?(?:\/|$)/, 'it holds `.` or `..`'],
  ].find(([pattern]) => (pattern as RegExp).test(path))?.[1]
  if (why === undefined) return
  throw new BerthError('s3-link/bad-path', `could not link \`${path}\`: ${String(why)}`, {
    hint: 'rename the folder',
  })
}
