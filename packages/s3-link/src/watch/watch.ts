import { lstat, realpath } from 'node:fs/promises'
import { BerthError } from '@berth/core/error'
import { isInside, refuseSystemRoot, resolveReal } from '@berth/filesystem'
import type { FileStore } from '@berth/object-store'
import type { EvictSettings } from './evict.ts'
import { lockState } from './folder-lock.ts'
import { Journal } from './journal.ts'
import type { MirrorSettings } from './mirror-deletes.ts'
import { recoverRemovals } from './remove-proven.ts'
import type { WatchStatus } from './watch-status.ts'
import { Watcher } from './watcher.ts'
import type { Pending } from '../driver/driver.ts'

/** What may be changed while a folder is watched. */
export interface WatchTuning {
  /** Begins nothing new; a drain sends all the same. */
  isPaused?: boolean | undefined
  /** How many files are sent at once; unless told as many as make it faster, 4 to 32. */
  transfers?: number | undefined
  /** Removes from the disk what S3 is proven to have; nothing unless given, and never where other machines write too. */
  evict?: EvictSettings | undefined
  /** Removes from S3 what was removed here; nothing is removed there unless given. */
  mirrorDeletes?: MirrorSettings | undefined
  /** What may be sent in a second, on average; a drain takes no notice of it. */
  bytesPerSecond?: number | undefined
}

export interface WatchSettings extends WatchTuning {
  /** A real folder; what is finished in it goes to S3. */
  folder: string
  store: FileStore
  /** Where in the store; without slashes at its ends, empty for all of it. */
  prefix: string
  /** A folder of its own outside the watched one, kept: what is known about the files. */
  state: string
  /** How long a file that nobody has open must not have changed; 250 ms. */
  settleMs?: number
  /** Patterns of names (`*` and `?`) of files that are not finished, besides the usual ones. */
  ignore?: readonly string[]
  /** How many files that are larger than `bigFileBytes` are sent at once, besides; 2. */
  bigTransfers?: number
  bigFileBytes?: number
}

export interface DrainReport {
  /** Everything that is in the folder is proven to be in S3. */
  isComplete: boolean
  remaining: Pending
  /** What a program still has open, or S3 does not take: the names of what would be lost with this disk. */
  atRisk: string[]
  /** What never goes to S3, and would be lost with this disk as well. */
  leftOut: WatchStatus['leftOut']
}

/** A folder that is being watched. */
export interface Watch {
  /** What is known now; asks nothing of the folder or of S3, and so never waits. */
  status: () => WatchStatus
  /** Sends what there is, for at most so long; goes on watching afterwards. */
  drain: (deadlineMs: number) => Promise<DrainReport>
  /** Goes on in another way; what is left out is as if it had never been given. */
  adjust: (tuning: WatchTuning) => void
  /** Ends it; uploads that were begun are gone on with the next time. */
  close: () => Promise<void>
}

/**
 * Watches a folder: every file that is finished is sent to S3, and what S3 is proven to have is on record. Scans are the truth; what the
 * kernel tells only makes them sooner. Nothing in S3 is replaced that this folder's files did not put there, and nothing is removed
 * there. Throws `s3-link/not-a-folder`, `s3-link/already-watched` and `s3-link/bad-state`.
 */
export async function openWatch(settings: WatchSettings): Promise<Watch> {
  refuseSystemRoot(settings.folder)
  const root = await requireFolder(settings.folder)
  refuseSystemRoot(root)
  const state = await resolveReal(settings.state)
  if (state === root || isInside(state, root) || isInside(root, state)) {
    throw new BerthError(
      's3-link/bad-state',
      `could not keep the state of \`${settings.folder}\` in \`${settings.state}\`: one lies in the other`,
      { hint: 'choose a state folder elsewhere' },
    )
  }
  const lock = await lockState(state)
  try {
    const journal = await Journal.open(state)
    await recoverRemovals(root)
    const watcher = new Watcher(root, settings, journal)
    watcher.start()
    return {
      status: () => watcher.status(),
      drain: (deadlineMs) => watcher.drain(deadlineMs),
      adjust: (tuning) => watcher.adjust(tuning),
      close: async () => {
        await watcher.close()
        await lock.release()
      },
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function requireFolder(folder: string): Promise<string> {
  const root = await realpath(folder).catch(() => undefined)
  if (root !== undefined && (await lstat(root)).isDirectory()) return root
  throw new BerthError('s3-link/not-a-folder', `could not watch \`${folder}\`: it is no folder`, {
    hint: 'make it, or correct the path',
  })
}
