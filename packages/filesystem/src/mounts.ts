import { lstat, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hasErrno } from './errno.ts'
import { isInside } from './paths.ts'

/** One line of mountinfo. See proc_pid_mountinfo(5). */
export interface Mount {
  id: number
  parentId: number
  /** `major:minor`. */
  device: string
  /** The directory of that file system which is mounted: `/`, or another for a bind mount. */
  root: string
  mountPoint: string
  /** Of the mount: `rw`, `relatime`, … */
  options: string[]
  /** Of the file system below it: a mount may be `rw` on a file system that is `ro`. */
  superOptions: string[]
  /** `ext4`, `overlay`, `fuse.rclone`, … */
  type: string
  source: string
}

/** The mounts that this process sees, in the kernel's order; empty where there is no mountinfo (macOS). */
export async function readMounts(file = '/proc/self/mountinfo'): Promise<Mount[]> {
  try {
    return parseMounts(await readFile(file, 'latin1'))
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** Reads the text of mountinfo. `text` is latin1, so that each character is one byte of a name. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ', 2)
    if (before === undefined || after === undefined) return []
    const [id, parentId, device, root, mountPoint, options] = before.split(' ')
    const [type, source, superOptions] = after.split(' ')
    if (!id || !parentId || !device || !root || !mountPoint || !type) return []
    return {
      id: Number(id),
      parentId: Number(parentId),
      device,
      root: decoded(root),
      mountPoint: decoded(mountPoint),
      options: (options ?? '').split(',').filter(Boolean),
      superOptions: (superOptions ?? '').split(',').filter(Boolean),
      type: decoded(type),
      source: decoded(source ?? ''),
    }
  })
}

/**
 * The mount that a path is on, or undefined when none holds it. The path is taken as it is: resolve symlinks first. Mounts that
 * another mount hides are passed over.
 */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  const ids = new Set(mounts.map((mount) => mount.id))
  const seen = new Set<Mount>()
  const isRoot = (mount: Mount) => !ids.has(mount.parentId) || mount.parentId === mount.id
  let current = shortest(mounts.filter((mount) => isRoot(mount) && holds(mount, path)))
  for (let next = current; next !== undefined && !seen.has(next);) {
    current = next
    seen.add(current)
    const { id } = current
    // A lookup meets the mount nearest to the root first: what lies deeper in the same parent is hidden below it.
    next = shortest(
      mounts.filter((mount) => mount.parentId === id && mount.id !== id && holds(mount, path)),
    )
  }
  return current
}

/** Says whether something is mounted exactly at `path`. A symlink to a mount point is not one; what doesn't exist isn't either. */
export async function isMountpoint(path: string): Promise<boolean> {
  try {
    const parent = await realpath(dirname(path))
    const real = path === '/' ? '/' : join(parent, basename(path))
    const mounts = await readMounts()
    if (mounts.length > 0) return mountOf(real, mounts)?.mountPoint === real
    const [own, above] = await Promise.all([lstat(real), lstat(parent)])
    return own.isDirectory() && (own.dev !== above.dev || real === '/')
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

function holds(mount: Mount, path: string): boolean {
  return mount.mountPoint === path || isInside(path, mount.mountPoint)
}

function shortest(mounts: readonly Mount[]): Mount | undefined {
  return mounts.reduce<Mount | undefined>(
    (found, mount) =>
      found === undefined || mount.mountPoint.length <= found.mountPoint.length ? mount : found,
    undefined,
  )
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function decoded(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
