import { existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asideName, readFileIfPresent, swapDirectory, writeFileAtomic } from '@berth/filesystem'
import { MOVING } from './record.ts'
import type { TreePlace } from './tree-place.ts'

/** Entries of a mountpoint that are never a user's: our own state, and what ext4 makes itself. */
export const OWN_ENTRIES: ReadonlySet<string> = new Set(['.berth', 'lost+found'])

/** Puts a finished tree in place; answers where what was there is now. */
export async function putTree(place: TreePlace, staged: string): Promise<string | undefined> {
  if (place.isMountpoint) return moveEntries(place, staged)
  const { directory } = place
  if (lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    const aside = await asideName(directory)
    await rename(directory, aside)
    await swapDirectory({ staged, at: directory })
    return aside
  }
  return (await swapDirectory({ staged, at: directory })).aside
}

interface Move {
  staged: string
  aside: string
  /** What was there is out of the way: what is there now is the new tree's. */
  cleared: boolean
}

/** Into a mountpoint, which can't be renamed over: entry by entry. A note says how far it got, so that a cut is ended by `finishMove`. */
async function moveEntries(place: TreePlace, staged: string): Promise<string | undefined> {
  const aside = join(place.directory, '.berth', `aside-${Date.now()}`)
  await note(place, { staged, aside, cleared: false })
  await finishMove(place)
  return existsSync(aside) ? aside : undefined
}

/** Ends a move that was cut. The caller removes the note with `forgetMove`, after the record says that the tree is whole. */
export async function finishMove(place: TreePlace): Promise<boolean> {
  const bytes = await readFileIfPresent(join(place.state, MOVING))
  if (bytes === undefined) return false
  const move = JSON.parse(bytes.toString('utf8')) as Move
  if (!move.cleared) {
    const occupied = readdirSync(place.directory).filter((name) => !OWN_ENTRIES.has(name))
    if (occupied.length > 0) mkdirSync(move.aside, { recursive: true })
    for (const name of occupied) await rename(join(place.directory, name), join(move.aside, name))
    await note(place, { ...move, cleared: true })
  }
  for (const name of existsSync(move.staged) ? readdirSync(move.staged) : [])
    await rename(join(move.staged, name), join(place.directory, name))
  return true
}

export async function forgetMove({ state }: TreePlace): Promise<void> {
  await rm(join(state, MOVING), { force: true })
}

async function note({ state }: TreePlace, move: Move): Promise<void> {
  await writeFileAtomic(join(state, MOVING), JSON.stringify(move))
}
