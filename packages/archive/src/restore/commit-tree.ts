import { removeTree } from '@berth/filesystem'
import type { ChosenSnapshot } from './choose-snapshot.ts'
import { readFileSystemClock } from '../scan/clock.ts'
import type { DirectoryColumns } from '../format/manifest-columns.ts'
import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { finishMove, forgetMove, putTree } from './put-tree.ts'
import {
  type TreeRecord,
  identityOf,
  readIndex,
  readRecordOf,
  readStoredRecord,
  unreadRecord,
  writeRecord,
} from '../record/record.ts'
import { columnsOf } from '../snapshots/read-facts.ts'
import { finishDirectory } from './restore-directories.ts'
import { type Rewritten, recorded } from '../venv/rewritten.ts'
import { manifestBytes } from '../snapshots/snapshots.ts'
import type { Staging } from './staging.ts'
import type { TreePlace } from '../record/tree-place.ts'

interface FinishedTree {
  place: TreePlace
  chosen: ChosenSnapshot
  staging: Staging
  rewritten: Rewritten
}

/**
 * Puts a finished tree in place; answers where what was there is now. The rename is the commit: before it the old record holds, after
 * it the new one, whoever reads them.
 */
export async function commitTree(
  options: ArchiveOptions,
  { place, chosen, staging, rewritten }: FinishedTree,
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
    ...recorded(rewritten),
  }
  const before = (await readRecordOf(place)) ?? unreadRecord(options)
  const pending = { identity: identityOf(staging.tree), record }
  await writeRecord(place.state, { ...before, pending }, manifestBytes(manifest) ?? manifest)
  const aside = await putTree(place, staging.tree)
  finishTree(place, manifest)
  await writeRecord(place.state, record)
  await forgetMove(place)
  await removeTree(staging.directory)
  return aside
}

/** Ends what a restore had begun that was cut at its commit: a move into a mountpoint, and what follows a rename that went through. */
export async function settleTree(place: TreePlace): Promise<void> {
  const isMoved = await finishMove(place)
  const stored = await readStoredRecord(place)
  if (stored?.pending !== undefined) {
    const { identity, record } = stored.pending
    if (isMoved || identity === identityOf(place.directory)) {
      finishTree(place, await readIndex(place.state, record))
      await writeRecord(place.state, record)
    }
  }
  await forgetMove(place)
}

/** Number 0 is the tree itself. */
function treeFacts(columns: DirectoryColumns): [number, number, number, number] {
  const { mode, uid, gid, mtime } = columns
  return [mode[0] ?? 0o755, uid[0] ?? 0, gid[0] ?? 0, mtime[0] ?? 0]
}

// Whose the directory is by now is not known, so its owner is set.
const ANYONE = { isRoot: process.getuid?.() === 0, uid: -1, gid: -1, umask: 0 }

/** What the tree itself could not get before its rename. */
function finishTree(place: TreePlace, manifest: Manifest | undefined): void {
  if (manifest === undefined) return
  const [mode, uid, gid, mtime] = treeFacts(columnsOf(manifest).directories)
  if (!place.isMountpoint && (mode & 0o700) === 0o700) return
  try {
    finishDirectory(place.directory, { mode, uid, gid, mtime }, { restorer: ANYONE })
  } catch (error) {
    // Who may write to a mounted disk need not own its root.
    if (!place.isMountpoint || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  }
}
