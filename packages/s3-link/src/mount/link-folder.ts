import { mkdir, readdir, rename, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import {
  hasErrno,
  isMountpoint,
  temporaryName,
  writeFileAtomic,
  readFileIfPresent,
} from '@berth/filesystem'
import type { MountSpec } from '../driver/driver.ts'
import type { Layout } from './layout.ts'
import type { Places } from './places.ts'
import { type LinkRecord, openRegistry, type Registry, spoolOf, stateOf } from './registry.ts'
import { ask } from './keeper-protocol.ts'
import { requireSameBucket } from './identity.ts'
import { leaveOthers } from './leave-mounts.ts'
import { findOtherOwner, releaseLink, requireOwnLink } from './link-owner.ts'
import { kindOf, putLink, targetOf } from './retarget.ts'
import { refuseNested } from './refuse-nested.ts'
import { runShort } from './short-command.ts'

/** What is in the place of a link before. */
export type FoundFolder = 'absent' | 'empty' | 'filled' | 'ours'

/** What lasts as long as the link: where it has ever led, so that it is known as ours after the mount and its records are gone. */
interface LinkMemory {
  version: 1
  targets: string[]
}

/**
 * Says what is in a link's place. Throws for what must stay untouched: `s3-link/foreign-link`, `s3-link/is-mountpoint` unless the folder is
 * to be `watched` where it is, `s3-link/not-a-directory`, `s3-link/other-pod`, and `s3-link/nested` when it lies in another link, or another in it.
 */
export async function inspectFolder(
  path: string,
  places: Places,
  watched = false,
): Promise<FoundFolder> {
  await requireOwnLink(path)
  await refuseNested(path, places)
  const kind = await kindOf(path)
  if (kind === 'absent') return 'absent'
  if (kind === 'link') {
    const target = (await targetOf(path)) ?? ''
    if ((await readMemory(path)).targets.includes(target)) return 'ours'
    throw new BerthError(
      's3-link/foreign-link',
      `could not link \`${path}\`: it is a link to \`${target}\` already`,
      {
        hint: 'remove that link first, if it is of no use',
      },
    )
  }
  if (kind === 'other') {
    throw new BerthError('s3-link/not-a-directory', `could not link \`${path}\`: a file is there`, {
      hint: 'move the file away',
    })
  }
  if (!watched && (await isMountpoint(path))) {
    throw new BerthError(
      's3-link/is-mountpoint',
      `could not link \`${path}\`: something is mounted there`,
      {
        hint: 'link a folder below it, or use `driver: watch`',
      },
    )
  }
  return (await isEmpty(path)) ? 'empty' : 'filled'
}

/**
 * Makes the link lead to the disk when it leads nowhere: after a pod's restart the mount is gone and the link is still there, and apps
 * break on a link that leads nowhere. Says whether it had to.
 */
export async function repairLink(path: string): Promise<boolean> {
  const target = await targetOf(path)
  if (target === undefined || !(await readMemory(path)).targets.includes(target)) return false
  // Where a pod that shares the volume has its mount is nowhere here.
  if ((await findOtherOwner(path)) !== undefined) return false
  const spool = spoolOf(path)
  await mkdir(spool, { recursive: true })
  if (target === spool) return false
  const { result, code } = await runShort(['test', '-d', path], 3_000)
  if (result === 'ended' && code === 0) return false
  await putLink(path, spool)
  return true
}

export interface LinkRequest {
  layout: Layout
  user: string
  spec: MountSpec
  places: Places
}

/** Makes the link into a mount that works, remembered first; an empty folder in its place goes. */
export async function putFolderLink({
  layout,
  user,
  spec,
  places,
}: LinkRequest): Promise<'done' | 'unchanged'> {
  const { path, subfolder } = layout
  const target = join(spec.mountPoint, subfolder)
  const record: LinkRecord = { path, user, subfolder, target, spool: spoolOf(path) }
  const registry = openRegistry(places, spec.key)
  const isKnown = (await registry.readLinks()).some((link) => link.path === path)
  const current = await targetOf(path)
  if (isKnown && (current === target || current === record.spool)) return 'unchanged'
  await requireKnownBucket(path, registry)
  await remember(path, [target, record.spool])
  await makeInMount(target, spec)
  await leaveOthers(path, spec.key, places)
  await registry.addLink(record)
  if ((await kindOf(path)) === 'directory') await removeEmpty(path)
  await putLink(path, target)
  // What waits in the spool is known from now on; a keeper that is starting its daemon again looks by itself later.
  await Promise.race([ask(registry.socket, { verb: 'look' }), sleep(2_000)])
  return 'done'
}

/**
 * Throws `s3-link/identity-mismatch` when the mounted bucket is another than the one that this folder was linked to before; a mount that was made
 * for nothing is asked to end.
 */
export async function requireKnownBucket(path: string, registry: Registry): Promise<void> {
  const mount = await registry.readMount()
  if (mount === undefined) return
  try {
    await requireSameBucket(path, mount.store, mount.identity)
  } catch (error) {
    const deadline = Date.now() + 10_000
    if ((await registry.readLinks()).length === 0)
      await ask(registry.socket, { verb: 'stop', deadline })
    throw error
  }
}

/** Takes a link away: an empty folder of its own is in its place, and what the spool holds is in it. */
export async function removeFolderLink(path: string, registry: Registry): Promise<boolean> {
  const target = await targetOf(path)
  const isOurs = target !== undefined && (await readMemory(path)).targets.includes(target)
  if (isOurs) {
    const spool = spoolOf(path)
    const fresh = temporaryName(path, 'tmp')
    await mkdir(spool, { recursive: true })
    await rename(spool, fresh)
    // A directory can't take a link's place in one step; an app that makes the folder meanwhile has made what was wanted.
    await unlink(path)
    try {
      await rename(fresh, path)
    } catch (error) {
      if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error
      await rename(fresh, spool)
    }
  }
  await registry.removeLink(path)
  await releaseLink(path)
  return isOurs
}

/** Notes, before a link is made, where it will lead. */
export async function remember(path: string, targets: readonly string[]): Promise<void> {
  const memory = await readMemory(path)
  const all = new Set([...memory.targets, ...targets])
  await mkdir(spoolOf(path), { recursive: true })
  await writeFileAtomic(
    join(stateOf(path), 'link.json'),
    `${JSON.stringify({ version: 1, targets: [...all] } satisfies LinkMemory)}\n`,
  )
}

/** Where this folder's link has ever led. */
export async function readMemory(path: string): Promise<LinkMemory> {
  const data = await readFileIfPresent(join(stateOf(path), 'link.json'))
  return data === undefined
    ? { version: 1, targets: [] }
    : (JSON.parse(data.toString()) as LinkMemory)
}

/** Makes the folder in the bucket, through the mount. */
export async function makeInMount(target: string, spec: MountSpec): Promise<void> {
  const { result, code, said } = await runShort(['mkdir', '-p', '--', target], 30_000)
  if (result === 'ended' && code === 0) return
  throw new BerthError(
    's3-link/no-folder',
    `could not make \`${target}\` in the bucket \`${spec.bucket}\`: ${said || 'it did not end'}`,
    {
      hint: 'see whether the key may write there',
    },
  )
}

async function isEmpty(path: string): Promise<boolean> {
  return (await readdir(path)).length === 0
}

async function removeEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error
    throw new BerthError('s3-link/filled', `could not link \`${path}\`: there are files in it`, {
      hint: 'move its files into the bucket first',
      cause: error,
    })
  }
}
