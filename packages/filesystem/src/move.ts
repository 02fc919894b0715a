import type { Stats } from 'node:fs'
import { chmod, chown, lstat, mkdir, readdir, rename, rmdir, utimes } from 'node:fs/promises'
import { hasErrno } from './errno.ts'
import { refuseMounts } from './remove.ts'
import { isPresent } from './temporary.ts'
import { joinBytes } from './walk.ts'

/**
 * Moves a directory within a file system: by rename(2), and where overlayfs refuses that of a directory which the image brings (EXDEV
 * without `redirect_dir`, as Docker mounts it) entry by entry. The kernel then copies what the image brings, which takes room. When that
 * fails, all of it is put back. Every file is always in one of the two places, and none is ever replaced, so a call that was killed is
 * ended by the same call: what appeared meanwhile under a name that was moved already gets another. `filesystem/mounted-below` where
 * something is mounted in a directory that can't be renamed.
 */
export async function moveTree(from: string | Buffer, to: string | Buffer): Promise<void> {
  const [source, target] = [Buffer.from(from), Buffer.from(to)]
  const stats = await lstat(source)
  try {
    await renameFreely(source, target, stats)
  } catch (error) {
    if (!stats.isDirectory() || !hasErrno(error, ...REFUSALS)) throw error
    await refuseMounts(source.toString(), 'move')
    await moveOrPutBack(source, target, { stats, refusal: error as Error })
  }
}

// The last two: a call that was cut has made the directory already.
const REFUSALS = ['EXDEV', 'ENOTEMPTY', 'EEXIST']

async function renameFreely(from: Buffer, to: Buffer, stats: Stats): Promise<void> {
  const there = await lstat(to).catch(() => undefined)
  const isTaken = there !== undefined && !(stats.isDirectory() && there.isDirectory())
  await rename(from, isTaken ? await freeName(to) : to)
}

async function moveOrPutBack(
  from: Buffer,
  to: Buffer,
  { stats, refusal }: { stats: Stats; refusal: Error },
): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 })
  try {
    // On another file system no file could be renamed to either.
    if ((await lstat(to)).dev !== stats.dev) throw refusal
    await moveEntries(from, to)
    await finishMoved(from, to, stats)
  } catch (error) {
    await moveEntries(to, from)
    await rmdir(to)
    throw error
  }
}

async function moveEntries(from: Buffer, to: Buffer): Promise<void> {
  for (const name of await readdir(from, { encoding: 'buffer' }))
    await moveEntry(joinBytes(from, name), joinBytes(to, name))
}

async function moveEntry(from: Buffer, to: Buffer): Promise<void> {
  const stats = await lstat(from)
  try {
    await renameFreely(from, to, stats)
  } catch (error) {
    if (!stats.isDirectory() || !hasErrno(error, ...REFUSALS)) throw error
    await mkdir(to, { recursive: true, mode: 0o700 })
    await moveEntries(from, to)
    await finishMoved(from, to, stats)
  }
}

async function finishMoved(from: Buffer, to: Buffer, stats: Stats): Promise<void> {
  await rmdir(from)
  // From here on all is moved: what an owner may not set is no reason to put it back.
  for (const set of [
    () => chown(to, stats.uid, stats.gid),
    () => chmod(to, stats.mode & 0o7777),
    () => utimes(to, stats.atimeMs / 1000, stats.mtimeMs / 1000),
  ])
    await set().catch(() => undefined)
}

async function freeName(path: Buffer): Promise<Buffer> {
  for (let count = 2; ; count++) {
    const name = Buffer.concat([path, Buffer.from(`.berth-aside-${count}`)])
    if (!(await isPresent(name))) return name
  }
}
