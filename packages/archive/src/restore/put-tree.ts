import { existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import {
  asideName,
  moveTree,
  readFileIfPresent,
  swapDirectory,
  writeFileAtomic,
} from '@berth/filesystem'
import { MOVING } from '../record/record.ts'
import type { TreePlace } from '../record/tree-place.ts'

/** Entries of a mountpoint that are never a user's: our own state, and what ext4 makes itself. */
export const OWN_ENTRIES: ReadonlySet<string> = new Set(['.berth', 'lost+found'])

/** Puts a finished tree in place; answers where what was there is now. */
export async function putTree(place: TreePlace, staged: string): Promise<string | undefined> {
  const { directory, isMountpoint } = place
  if (isMountpoint)
    return moveTrees(place, { staged, aside: join(directory, '.berth', `aside-${Date.now()}`) })
  if (lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    const aside = await asideName(directory)
    await rename(directory, aside)
    await swapDirectory({ staged, at: directory })
    return aside
  }
  try {
    return (await swapDirectory({ staged, at: directory })).aside
  } catch (error) {
    // Overlayfs renames no directory that the image brings.
    if (!isBerthError(error, 'filesystem/other-file-system')) throw error
    return moveTrees(place, { staged, aside: await asideName(directory) })
  }
}

interface Move {
  staged: string
  aside: string
  /** Of a mountpoint: what was there is out of the way, and what is there now is the new tree's. */
  cleared?: boolean
}

/** Where no single rename does it. A note says how far it got, so that a cut is ended by `finishMove`; until then a save is refused. */
async function moveTrees(place: TreePlace, move: Move): Promise<string | undefined> {
  await note(place, move)
  try {
    await finishMove(place)
  } catch (error) {
    // Nothing was moved, or all of it is back.
    if (!place.isMountpoint && !existsSync(move.aside)) await forgetMove(place)
    throw error
  }
  return existsSync(move.aside) ? move.aside : undefined
}

/**
 * Ends a move that was cut; answers whether it filled a mountpoint, which no identity tells. The caller removes the note with
 * `forgetMove`, after the record says that the tree is whole.
 */
export async function finishMove(place: TreePlace): Promise<boolean> {
  const bytes = await readFileIfPresent(join(place.state, MOVING))
  if (bytes === undefined) return false
  const move = JSON.parse(bytes.toString('utf8')) as Move
  if (place.isMountpoint) await fillMountpoint(place, move)
  else await replaceTree(place, move)
  return place.isMountpoint
}

async function replaceTree({ directory }: TreePlace, { staged, aside }: Move): Promise<void> {
  if (!existsSync(staged)) return
  if (existsSync(directory)) await moveTree(directory, aside)
  await rename(staged, directory)
}

/** Entry by entry, as bytes: not every name is text. */
async function fillMountpoint(place: TreePlace, move: Move): Promise<void> {
  const directory = Buffer.from(place.directory)
  const staged = Buffer.from(move.staged)
  if (move.cleared !== true) {
    const occupied = readNames(directory).filter((name) => !OWN_ENTRIES.has(name.toString()))
    await moveNames(occupied, directory, Buffer.from(move.aside))
    await note(place, { ...move, cleared: true })
  }
  const names = existsSync(staged) ? readNames(staged) : []
  // Only after a cut: what someone made meanwhile under a name of the tree.
  const made = new Set(readNames(directory).map((name) => name.toString('latin1')))
  const inTheWay = names.filter((name) => made.has(name.toString('latin1')))
  await moveNames(inTheWay, directory, Buffer.from(await asideName(move.aside)))
  for (const name of names) await rename(below(staged, name), below(directory, name))
}

function readNames(directory: Buffer): Buffer[] {
  return readdirSync(directory, { encoding: 'buffer' })
}

async function moveNames(names: readonly Buffer[], from: Buffer, to: Buffer): Promise<void> {
  if (names.length > 0) mkdirSync(to, { recursive: true })
  for (const name of names) await moveTree(below(from, name), below(to, name))
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name])
}

export async function forgetMove({ state }: TreePlace): Promise<void> {
  await rm(join(state, MOVING), { force: true })
}

async function note({ state }: TreePlace, move: Move): Promise<void> {
  await writeFileAtomic(join(state, MOVING), JSON.stringify(move))
}
