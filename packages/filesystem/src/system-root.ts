import { realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { isInside } from './paths.ts'

/** Directories that a system or a person lives in: none of them may be replaced, filled or removed as a whole. */
const SYSTEM_ROOTS = new Set(
  [
    '/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /var',
    '/dev/shm /usr/bin /usr/include /usr/lib /usr/lib64 /usr/local /usr/sbin /usr/share /usr/src /usr/local/bin',
    '/usr/local/lib /usr/local/sbin /usr/local/share /var/cache /var/lib /var/log /var/run /var/spool /var/tmp',
    '/Applications /Library /System /Users /Volumes /private /private/etc /private/tmp /private/var',
  ].flatMap((line) => line.split(' ')),
)

/** Nothing of ours belongs anywhere below these. */
const SYSTEM_TREES = [
  '/bin',
  '/boot',
  '/lib',
  '/lib32',
  '/lib64',
  '/proc',
  '/sbin',
  '/sys',
  '/System',
]

/**
 * Throws unless `path` may be replaced or removed as a whole: `filesystem/system-root` for `/`, system directories and homes (the
 * user's own, and each directory in `/home` and `/Users`), `filesystem/bad-path` for a path that is relative, empty or holds a NUL.
 * Judged are the path and where its parent really is. Ask about the directory that is replaced, not the one that holds it.
 */
export function refuseSystemRoot(path: string): void {
  if (path.includes('\0') || !isAbsolute(path)) {
    const why = path.includes('\0') ? 'it holds a NUL byte' : 'it is not absolute'
    throw new BerthError(
      'filesystem/bad-path',
      `could not use the path \`${path.replaceAll('\0', '\\0')}\`: ${why}`,
      {
        hint: 'give a path that begins with `/`',
      },
    )
  }
  const plain = resolve(path)
  if (isSystemRoot(plain) || isSystemRoot(realPlace(plain))) {
    throw new BerthError(
      'filesystem/system-root',
      `could not use \`${path}\`: it is a directory of the system`,
      {
        hint: 'name a directory of your own below it, such as `/workspace/venv`',
      },
    )
  }
}

function isSystemRoot(path: string): boolean {
  if (SYSTEM_ROOTS.has(path) || path === resolve(homedir())) return true
  if (SYSTEM_TREES.some((tree) => isInside(path, tree))) return true
  if (isInside(path, '/dev') && !isInside(path, '/dev/shm')) return true
  return ['/home', '/Users'].includes(dirname(path))
}

function realPlace(path: string): string {
  try {
    return join(realpathSync.native(dirname(path)), basename(path))
  } catch {
    // What doesn't exist or can't be looked into is no directory of the system.
    return path
  }
}
