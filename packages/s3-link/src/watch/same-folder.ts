import { lstat, readdir } from 'node:fs/promises'
import { BerthError } from '@berth/core/error'
import type { Journal } from './journal.ts'

// So many files must have been there for an empty folder to be a sign.
const MANY_FILES = 10

/**
 * Throws `s3-link/root-vanished` when the folder is not there, or is another, empty one than that whose files are on record: a volume that
 * was unmounted looks so. One that holds something takes its place, and then none of the recorded files is in it.
 */
export async function requireSameFolder(
  root: string,
  journal: Journal,
  isFirst: boolean,
): Promise<void> {
  const status = await lstat(root, { bigint: true }).catch(() => undefined)
  if (status === undefined || !status.isDirectory()) throw vanished(root, 'it is not there')
  const id = `${status.ino}`
  if (journal.root === id) return
  if (journal.root !== '' && !isFirst && (await readdir(root)).length === 0)
    throw vanished(root, 'another, empty folder has its place')
  // Without a time: nobody has removed them from this folder.
  for (const [name, proven] of journal.proven)
    if (proven.place === 'here') journal.prove(name, { ...proven, place: 'gone' })
  journal.setRoot(id)
}

/** Throws `s3-link/root-vanished` when a scan saw nothing where many files were. */
export async function requireFiles(root: string, journal: Journal, seen: number): Promise<void> {
  if (seen > 0) return
  const here = [...journal.proven.values()].filter(({ place }) => place === 'here').length
  if (here <= MANY_FILES || (await readdir(root)).length > 0) return
  throw vanished(root, `all of its ${here} files are gone`)
}

function vanished(root: string, why: string): BerthError {
  return new BerthError('s3-link/root-vanished', `stopped watching \`${root}\`: ${why}`, {
    hint: 'bring the folder back, or link it again; nothing was removed from S3',
  })
}
