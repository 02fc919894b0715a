import { chmodSync, chownSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { ignoring } from './ignoring.ts'
import type { Restorer } from './restore-files.ts'

/**
 * The directory in which a tree grows, and what new entries get in it. Their owner is not always who makes them: a parent with setgid
 * would pass on its group, and a network disk may squash root. Their mode is cut by the umask, a default ACL, or the file system.
 */
export function makeRoot(root: string): Restorer {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  mkdirSync(root, { recursive: true, mode: 0o700 })
  chmodSync(root, 0o700)
  ignoring('EPERM', () => ignoring('EINVAL', () => chownSync(root, uid, gid)))
  const owner = statSync(root)
  const probe = `${root}-probe`
  ignoring('ENOENT', () => rmdirSync(probe))
  mkdirSync(probe, { mode: 0o777 })
  const umask = 0o777 & ~statSync(probe).mode
  rmdirSync(probe)
  return { isRoot: uid === 0, uid: owner.uid, gid: owner.gid, umask }
}
