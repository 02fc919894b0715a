import { lstat, readdir, readlink, rename, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { explainErrno, hasErrno, syncDirectory } from '@berth/filesystem'

/** What is in the folder's place. */
export type Place = 'folder' | 'absent' | 'linked' | 'foreign'

const MARK = '.berth-original'
// An app that makes the folder again in the gap does so once for each file that it writes.
const MAX_TRIES = 50

/** Says what is in the folder's place; `linked` only where it leads to exactly one of these targets. */
export async function lookAt(folder: string, targets: readonly string[]): Promise<Place> {
  try {
    const status = await lstat(folder)
    if (status.isDirectory()) return 'folder'
    if (!status.isSymbolicLink()) return 'foreign'
    return targets.includes(await readlink(folder)) ? 'linked' : 'foreign'
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'absent'
    throw error
  }
}

/** The folders that were moved aside, in the order in which they were. */
export async function findOriginals(folder: string): Promise<string[]> {
  const stem = basename(folder) + MARK
  const numbers = (await readdir(dirname(folder))).flatMap((name) => {
    if (name === stem) return [1]
    const [, number] = name.startsWith(`${stem}-`)
      ? (/^-(\d{1,6})$/.exec(name.slice(stem.length)) ?? [])
      : []
    return number === undefined ? [] : [Number(number)]
  })
  return numbers.toSorted((a, b) => a - b).map((number) => originalPath(folder, number))
}

/**
 * Moves the folder aside and puts the link in its place. Between the two there is nothing for an instant: an app that makes the folder again
 * just then gets its folder moved aside as well. `symlink(2)` never replaces anything, and neither do the names that are moved to.
 */
export async function cutOver(folder: string, target: string): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if ((await lookAt(folder, [target])) === 'folder') await moveAside(folder)
    try {
      await symlink(target, folder)
      await syncDirectory(dirname(folder))
      return
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw explainErrno(error, `link \`${folder}\``)
    }
    const place = await lookAt(folder, [target])
    if (place === 'linked') return
    if (place === 'foreign') throw foreign(folder)
  }
  throw new BerthError(
    's3-link/busy',
    `could not link \`${folder}\`: a program makes it again and again`,
    {
      hint: 'end the program that writes there, and link it again',
    },
  )
}

/** Puts the folder that was moved aside last back into its place. */
export async function rollBack(folder: string): Promise<void> {
  const last = (await findOriginals(folder)).at(-1)
  if (last === undefined) return
  await rename(last, folder)
  await syncDirectory(dirname(folder))
}

export function foreign(folder: string): BerthError {
  return new BerthError(
    's3-link/foreign-link',
    `could not link \`${folder}\`: something that is not ours is in its place`,
    { hint: 'move it away, or choose another folder' },
  )
}

async function moveAside(folder: string): Promise<void> {
  const originals = await findOriginals(folder)
  const last = originals.at(-1)
  const number = last === undefined ? 1 : numberOf(folder, last) + 1
  try {
    // The name is free: only a migration makes such names, and there is one at a time.
    await rename(folder, originalPath(folder, number))
    await syncDirectory(dirname(folder))
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return
    throw explainErrno(error, `move \`${folder}\` aside`)
  }
}

function originalPath(folder: string, number: number): string {
  const name = basename(folder) + MARK
  return join(dirname(folder), number === 1 ? name : `${name}-${number}`)
}

function numberOf(folder: string, original: string): number {
  const rest = basename(original).slice(basename(folder).length + MARK.length)
  return rest === '' ? 1 : Number(rest.slice(1))
}
