import { lstat, readdir, readlink, rename, symlink, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import { explainErrno, hasErrno, syncDirectory } from '@berth/filesystem'
import { exchangeNames } from './exchange.ts'

/** What is in the folder's place. */
export type Place = 'folder' | 'absent' | 'linked' | 'foreign'

/** Swaps two names in one step; false where that can't be had. */
export type Exchange = (one: string, other: string) => Promise<boolean>

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
  const found: string[] = []
  for (const path of await takenNames(folder))
    if ((await lookAt(path, [])) === 'folder') found.push(path)
  return found
}

/** Removes links that a run which was killed had made ready, under a name that an original would get. */
export async function removeReadyLinks(folder: string, targets: readonly string[]): Promise<void> {
  for (const path of await takenNames(folder))
    if ((await lookAt(path, targets)) === 'linked') await unlink(path)
}

/**
 * Moves the folder aside and puts the link in its place: both in one step where the kernel is to be asked for it, so that no program ever
 * finds neither. Elsewhere there is nothing for an instant between the two: an app that makes the folder again just then gets its folder
 * moved aside as well. `symlink(2)` never replaces anything, and neither do the names that are moved to.
 */
export async function cutOver(
  folder: string,
  target: string,
  exchange: Exchange = exchangeNames,
): Promise<void> {
  if (await exchangeForLink(folder, target, exchange)) return
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

/** The link is made ready under the name that the original gets, and the two names are swapped. */
async function exchangeForLink(
  folder: string,
  target: string,
  exchange: Exchange,
): Promise<boolean> {
  if ((await lookAt(folder, [target])) !== 'folder') return false
  const original = await nextOriginal(folder)
  try {
    await symlink(target, original)
  } catch (error) {
    throw explainErrno(error, `link \`${folder}\``)
  }
  await exchange(folder, original)
  // What is there counts, not what the helper said.
  if ((await lookAt(folder, [target])) !== 'linked') {
    if ((await lookAt(original, [target])) === 'linked') await unlink(original)
    return false
  }
  await syncDirectory(dirname(folder))
  if ((await lookAt(original, [target])) === 'folder') return true
  // Something that is no folder had taken its place just before: it gets it back.
  await exchange(folder, original)
  if ((await lookAt(original, [target])) === 'linked') await unlink(original)
  throw foreign(folder)
}

async function moveAside(folder: string): Promise<void> {
  const original = await nextOriginal(folder)
  try {
    // The name is free: only a migration makes such names, and there is one at a time.
    await rename(folder, original)
    await syncDirectory(dirname(folder))
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return
    throw explainErrno(error, `move \`${folder}\` aside`)
  }
}

async function nextOriginal(folder: string): Promise<string> {
  const last = (await takenNames(folder)).at(-1)
  return originalPath(folder, last === undefined ? 1 : numberOf(folder, last) + 1)
}

/** Everything that has a name which an original could have, by number. */
async function takenNames(folder: string): Promise<string[]> {
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

function originalPath(folder: string, number: number): string {
  const name = basename(folder) + MARK
  return join(dirname(folder), number === 1 ? name : `${name}-${number}`)
}

function numberOf(folder: string, original: string): number {
  const rest = basename(original).slice(basename(folder).length + MARK.length)
  return rest === '' ? 1 : Number(rest.slice(1))
}
