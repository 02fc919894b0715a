import { rmdir } from 'node:fs/promises'
import { hasErrno, resolveReal } from '@berth/filesystem'
import { shownName } from '../upload/key.ts'
import { listFolder } from '../watch/list-folder.ts'
import { recoverRemovals, removeProven } from '../watch/remove-proven.ts'
import { placeOf, scanFolder } from '../watch/scan-folder.ts'
import { type Moving, recordName } from './move-files.ts'

/** What became of the originals. */
export interface Removed {
  files: number
  bytes: number
  /** What stays, by its path in the original, and why. */
  kept: { path: string; why: string }[]
}

/**
 * Removes from a folder that was moved aside each file of which a look at the object, made now, proves that S3 has it under its own name;
 * and the folders that are empty then. Everything else stays, and is told: what changed, what is open, what is no regular file.
 */
export async function removeOriginal(
  original: string,
  { store, journal, signal }: Moving,
): Promise<Removed> {
  const root = await resolveReal(original)
  await recoverRemovals(root)
  const { files, folders } = await listFolder(root)
  const record = await recordName(root)
  const removed: Removed = { files: 0, bytes: 0, kept: await findOthers(root) }
  for (const name of files) {
    signal?.throwIfAborted()
    const proven = journal.proven.get(record(name))
    const end =
      proven === undefined
        ? { why: 'it is not in the bucket' }
        : await removeProven({ root, name, proven, store, signal })
    if (end === 'removed') {
      removed.files += 1
      removed.bytes += proven?.facts.size ?? 0
    } else if (end !== 'gone') {
      removed.kept.push({ path: shownName(name), why: end.why })
    }
  }
  await removeEmpty(root, folders)
  return removed
}

async function findOthers(root: string): Promise<Removed['kept']> {
  const kept: Removed['kept'] = []
  await scanFolder(
    root,
    {
      file: () => undefined,
      folder: () => undefined,
      other: (name, kind) =>
        kept.push({
          path: shownName(name),
          why: kind === 'symlink' ? 'a link' : 'no regular file',
        }),
      unreadable: (name, error) => kept.push({ path: shownName(name), why: `${error}` }),
    },
    { isOurs: () => false },
  )
  return kept
}

/** The deepest first; one that holds something stays. */
async function removeEmpty(root: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    try {
      await rmdir(folder === '' ? root : placeOf(root, folder))
    } catch (error) {
      if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error
    }
  }
}
