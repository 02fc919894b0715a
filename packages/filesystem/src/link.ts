import { rename, rm, symlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { BerthError } from '@berth/core/error'
import { explainErrno, hasErrno } from './errno.ts'
import { makeDirectory, syncDirectory } from './file.ts'
import { isInside, readlinkIfPresent, resolveReal } from './paths.ts'
import { refuseSystemRoot } from './system-root.ts'
import { temporaryName } from './temporary.ts'

export interface LinkedDirectory {
  changed: boolean
  /** Where the link that was replaced pointed. */
  previous: string | undefined
}

/**
 * Makes `at` a symlink to `target`, word for word, and its missing parents. At every moment `at` is the old link or the new one.
 * Replaces symlinks only: anything else there is `filesystem/not-a-link`. A target that leads back to `at`, or below it, is
 * `filesystem/self-link`. The target needn't exist. Whose link it is that gets replaced is the caller's to decide.
 */
export async function linkDirectory({
  at,
  target,
}: {
  at: string
  target: string
}): Promise<LinkedDirectory> {
  refuseSystemRoot(at)
  const previous = await readlinkIfPresent(at)
  if (previous === target) return { changed: false, previous: undefined }
  await refuseSelfLink(at, target)
  await makeDirectory(dirname(at))
  await (previous === undefined ? createLink(at, target) : replaceLink(at, target))
  await syncDirectory(dirname(at))
  return { changed: true, previous }
}

async function createLink(at: string, target: string): Promise<void> {
  try {
    await symlink(target, at)
  } catch (error) {
    throw hasErrno(error, 'EEXIST') ? notALink(at, error) : explainErrno(error, `link \`${at}\``)
  }
}

async function replaceLink(at: string, target: string): Promise<void> {
  const temporary = temporaryName(at, 'tmp')
  try {
    await symlink(target, temporary)
    await rename(temporary, at)
  } catch (error) {
    await rm(temporary, { force: true })
    // A directory took the link's place meanwhile: rename(2) never replaces one by a link.
    if (hasErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) throw notALink(at, error)
    throw explainErrno(error, `link \`${at}\``)
  }
}

async function refuseSelfLink(at: string, target: string): Promise<void> {
  const parent = await resolveReal(dirname(at))
  const place = `${parent === '/' ? '' : parent}/${at.slice(at.lastIndexOf('/') + 1)}`
  const goal = target.startsWith('/') ? target : `${parent}/${target}`
  const real = await resolveReal(goal)
  if (real !== place && !isInside(real, place)) return
  throw new BerthError(
    'filesystem/self-link',
    `could not link \`${at}\` to \`${target}\`: that is the same place`,
    {
      hint: 'give a target outside the directory that the link takes the place of',
    },
  )
}

function notALink(at: string, cause?: unknown): BerthError {
  return new BerthError(
    'filesystem/not-a-link',
    `could not put a link at \`${at}\`: something else is there`,
    {
      hint: `move \`${at}\` aside first; only links are ever replaced`,
      cause,
    },
  )
}
