import { lstat, rmdir, unlink } from 'node:fs/promises'
import { hasErrno, resolveReal } from '@berth/filesystem'
import { mayDeleteLocal } from '../upload/decisions.ts'
import { areEqual, factsOf } from '../upload/file-facts.ts'
import { listFolder } from '../watch/list-folder.ts'
import { placeOf } from '../watch/scan-folder.ts'
import { readWriters } from '../watch/writers.ts'
import { type Moving, recordName } from './move-files.ts'

/**
 * Removes from a folder that was moved aside each file of which a look at the object, made now, proves that S3 has it under its own name;
 * and the folders that are empty then. Everything else stays: what changed, what is open, what is no regular file. Answers how many
 * files were removed.
 */
export async function removeOriginal(
  original: string,
  { store, journal, signal }: Moving,
): Promise<number> {
  const root = await resolveReal(original)
  const { files, folders } = await listFolder(root)
  const record = await recordName(root)
  let count = 0
  for (const name of files) {
    signal?.throwIfAborted()
    const proven = journal.proven.get(record(name))
    const found = proven && (await store.head(proven.key, { signal }))
    if (proven === undefined || found === undefined) continue
    // After the look at the object, and just before the end.
    const writers = readWriters(root, true)
    const status = await lstat(placeOf(root, name), { bigint: true })
    const may = mayDeleteLocal({
      isProven: found.etag === proven.etag && found.size === proven.facts.size,
      isUnchanged: areEqual(factsOf(status), proven.facts),
      writers: writers.names.has(name) ? 'some' : writers.isComplete ? 'none' : 'unknown',
      hasOwnName: !proven.isConflict,
      isNewestOfSeries: false,
    })
    if (!may) continue
    await unlink(placeOf(root, name))
    count += 1
  }
  await removeEmpty(root, folders)
  return count
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
