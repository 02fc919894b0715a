import { chmod, rm } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { hasErrno } from './errno.ts'
import { readMounts } from './mounts.ts'
import { isInside, resolveReal } from './paths.ts'
import { refuseSystemRoot } from './system-root.ts'
import { isTemporaryName } from './temporary.ts'
import { walkTree } from './walk.ts'

/**
 * Removes one of our own temporaries and everything in it; content when it isn't there. Refused, with nothing removed:
 * `filesystem/not-ours` unless the path's own name is that of a temporary or it lies below a directory named `.berth`, and
 * `filesystem/mounted-below` when anything is mounted at or below it. What was set aside is never ours to remove.
 */
export async function removeTree(path: string): Promise<void> {
  refuseSystemRoot(path)
  if (!isOurs(resolve(path))) {
    throw new BerthError(
      'filesystem/not-ours',
      `could not remove \`${path}\`: it is not a temporary of ours`,
      {
        hint: 'remove it yourself if it is no longer needed',
      },
    )
  }
  await refuseMounts(path, 'remove')
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error
    // A copied directory without write permission keeps its owner from emptying it.
    await makeWritable(path)
    await rm(path, { recursive: true, force: true })
  }
}

function isOurs(path: string): boolean {
  return isTemporaryName(basename(path)) || dirname(path).split('/').includes('.berth')
}

/** Throws `filesystem/mounted-below` when anything is mounted at or below the path. */
export async function refuseMounts(path: string, action: string): Promise<void> {
  const real = await resolveReal(path)
  const mount = (await readMounts()).find(
    ({ mountPoint }) => mountPoint === real || isInside(mountPoint, real),
  )
  if (mount === undefined) return
  throw new BerthError(
    'filesystem/mounted-below',
    `could not ${action} \`${path}\`: \`${mount.source}\` is mounted at \`${mount.mountPoint}\``,
    { hint: `unmount \`${mount.mountPoint}\` first` },
  )
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700)
  for await (const entry of walkTree(path)) {
    if (entry.kind === 'directory') await chmod(entry.path, 0o700)
  }
}
