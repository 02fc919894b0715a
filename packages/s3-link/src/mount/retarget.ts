import { mkdir, lstat, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasErrno, temporaryName } from '@berth/filesystem'

export type Retargeted = 'changed' | 'same' | 'foreign'

/** Whether a link may be turned: only a symlink whose target is one of ours. Someone else's, and what is no link, stays. */
export function mayRetarget(current: string | undefined, ours: readonly string[]): boolean {
  return current !== undefined && ours.includes(current)
}

/**
 * Turns a link to another target in one step: who opens it meanwhile gets the old or the new place. Never looks at the target, which may
 * hang. `foreign`: what is there is not ours, and stays.
 */
export async function retarget(
  path: string,
  target: string,
  ours: readonly string[],
): Promise<Retargeted> {
  const current = await targetOf(path)
  if (current === target) return 'same'
  if (!mayRetarget(current, ours)) return 'foreign'
  await putLink(path, target)
  return 'changed'
}

/** Puts a link in the place of another, or where nothing is. */
export async function putLink(path: string, target: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = temporaryName(path, 'tmp')
  try {
    await symlink(target, temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Where a symlink leads, word for word; undefined for anything else. */
export async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined
    throw error
  }
}

/** What is at a path, itself and not where it leads. */
export async function kindOf(path: string): Promise<'absent' | 'link' | 'directory' | 'other'> {
  try {
    const found = await lstat(path)
    if (found.isSymbolicLink()) return 'link'
    return found.isDirectory() ? 'directory' : 'other'
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return 'absent'
    throw error
  }
}
