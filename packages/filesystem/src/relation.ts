import { stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { hasErrno } from './errno.ts'
import type { Mount } from './mounts.ts'
import { mountOf, readMounts } from './mounts.ts'
import { isInside, resolveReal } from './paths.ts'

export type Relation = 'same' | 'a-inside-b' | 'b-inside-a' | 'apart'

/**
 * How two directories lie to each other on the disk. Compared are their real paths, the device and inode of each and of its
 * ancestors, and their places within the file system that is mounted, so that symlinks and bind mounts hide nothing. Neither needs
 * to exist. `mounts` spares reading them again. A network share that is mounted twice as two devices can't be recognised.
 */
export async function relateDirectories(
  a: string,
  b: string,
  mounts?: readonly Mount[],
): Promise<Relation> {
  const [realA, realB] = await Promise.all([resolveReal(a), resolveReal(b)])
  const byName = relateNames(realA, realB)
  if (byName !== 'apart') return byName
  const [ancestorsA, ancestorsB] = await Promise.all([identities(realA), identities(realB)])
  const byInode = relateIdentities(ancestorsA, ancestorsB)
  if (byInode !== 'apart') return byInode
  const known = mounts ?? (await readMounts())
  const [placeA, placeB] = [realA, realB].map((path) => {
    const mount = mountOf(path, known)
    return (
      mount && { device: mount.device, path: join(mount.root, relative(mount.mountPoint, path)) }
    )
  })
  if (placeA === undefined || placeB === undefined || placeA.device !== placeB.device)
    return 'apart'
  return relateNames(placeA.path, placeB.path)
}

function relateNames(a: string, b: string): Relation {
  if (a === b) return 'same'
  if (isInside(a, b)) return 'a-inside-b'
  return isInside(b, a) ? 'b-inside-a' : 'apart'
}

/** Each list begins with the directory itself; undefined where it doesn't exist. */
function relateIdentities(
  a: readonly (string | undefined)[],
  b: readonly (string | undefined)[],
): Relation {
  const [ownA, ownB] = [a[0], b[0]]
  if (ownA !== undefined && ownA === ownB) return 'same'
  if (ownB !== undefined && a.includes(ownB)) return 'a-inside-b'
  return ownA !== undefined && b.includes(ownA) ? 'b-inside-a' : 'apart'
}

async function identities(path: string): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  for (let at = path; ; at = dirname(at)) {
    found.push(await identity(at))
    if (at === dirname(at)) return found
  }
}

async function identity(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    // Some FUSE file systems number nothing; equal zeros mean nothing then.
    return ino === 0n ? undefined : `${dev}:${ino}`
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined
    throw error
  }
}
