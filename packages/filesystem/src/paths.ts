import { readlink, realpath } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { hasErrno } from './errno.ts'

// As many as Linux follows in one path: path_resolution(7).
const MAXIMUM_LINKS = 40

/** Says whether `child` lies strictly below `parent`, by their names alone. A path is not inside itself. */
export function isInside(child: string, parent: string): boolean {
  const path = relative(parent, child)
  return path !== '' && path !== '..' && !path.startsWith('../') && !isAbsolute(path)
}

/**
 * Where a path leads once every symlink on the way is followed, also when its end doesn't exist yet: the real path of the deepest
 * existing ancestor, and the rest. A dangling link is followed too.
 */
export async function resolveReal(path: string): Promise<string> {
  return follow(resolve(path), 0)
}

async function follow(path: string, links: number): Promise<string> {
  if (links > MAXIMUM_LINKS) throw linkLoop(path)
  try {
    return await realpath(path)
  } catch (error) {
    if (hasErrno(error, 'ELOOP')) throw linkLoop(path, error)
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  const parent = dirname(path)
  if (parent === path) return path
  const target = await readlinkIfPresent(path)
  if (target === undefined) return join(await follow(parent, links), basename(path))
  return follow(resolve(await follow(parent, links), target), links + 1)
}

/** Where a symlink points, word for word, or undefined when there is none at this path. */
export async function readlinkIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined
    throw error
  }
}

function linkLoop(path: string, cause?: unknown): BerthError {
  return new BerthError(
    'filesystem/link-loop',
    `could not resolve \`${path}\`: its links run in a circle`,
    {
      hint: 'remove the symlink that points back to itself',
      cause,
    },
  )
}
