import { removeTree } from '@berth/filesystem'
import type { ChosenSnapshot } from './choose-snapshot.ts'
import { readFileSystemClock } from './clock.ts'
import type { Manifest } from './manifest.ts'
import type { ArchiveOptions } from './options.ts'
import { forgetMove, putTree } from './put-tree.ts'
import { type TreeRecord, identityOf, readRecordOf, unreadRecord, writeRecord } from './record.ts'
import { finishDirectory } from './restore-entries.ts'
import type { Restorer } from './restore-work.ts'
import type { Staging } from './staging.ts'
import type { TreePlace } from './tree-place.ts'

interface FinishedTree {
  place: TreePlace
  chosen: ChosenSnapshot
  staging: Staging
  restorer: Restorer
}

/**
 * Puts a finished tree in place; answers where what was there is now. The rename is the commit: before it the old record holds, after
 * it the new one, whoever reads them.
 */
export async function commitTree(
  options: ArchiveOptions,
  { place, chosen, staging, restorer }: FinishedTree,
): Promise<string | undefined> {
  const { manifest, reference, latest } = chosen
  const record: TreeRecord = {
    ...unreadRecord(options),
    snapshot: reference.sibling ? (latest ?? '') : reference.name,
    generation: manifest.generation,
    id: manifest.id,
    complete: true,
    sibling: reference.sibling ? reference.name : '',
    watermark: await readFileSystemClock(place.state),
  }
  const before = (await readRecordOf(place)) ?? unreadRecord(options)
  const pending = { identity: identityOf(staging.tree), record }
  await writeRecord(place.state, { ...before, pending }, manifest)
  const aside = await putTree(place, staging.tree)
  finishTree(place, manifest, restorer)
  await writeRecord(place.state, record)
  await forgetMove(place)
  await removeTree(staging.directory)
  return aside
}

/** What the tree itself could not get before its rename. */
function finishTree(place: TreePlace, { tree }: Manifest, restorer: Restorer): void {
  const [directory] = tree.directories
  if (directory === undefined) return
  if (!place.isMountpoint && (directory.mode & 0o700) === 0o700) return
  try {
    finishDirectory(place.directory, directory, restorer)
  } catch (error) {
    // Who may write to a mounted disk need not own its root.
    if (!place.isMountpoint || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  }
}
