import { BerthError } from '@berth/core/error'
import type { Pending } from '../driver/driver.ts'
import { shownName } from '../upload/key.ts'
import type { Journal } from './journal.ts'
import type { SendQueue } from './send-queue.ts'
import type { UnfinishedFile } from './unfinished-files.ts'
import type { WaitingFiles } from './waiting-files.ts'
import type { WatchReason, WatchStatus } from './watch-status.ts'

/** What the scans found out. */
export interface WatchFacts extends Pick<
  WatchStatus,
  'state' | 'reason' | 'note' | 'leftOut' | 'safeAsOf'
> {
  /** When the last whole scan began, in milliseconds since the epoch. */
  scannedAt?: number
}

interface Sources {
  waiting: WaitingFiles
  /** Those that a program is at work on. */
  unfinished: readonly UnfinishedFile[]
  journal: Journal
  queue: SendQueue
  hints: WatchStatus['hints']
}

const MAX_NAMED = 20

/** What is not in S3 yet. */
export function pendingOf(
  { all }: WaitingFiles,
  unfinished: readonly UnfinishedFile[],
  now: number,
): Pending {
  const files = [...all.values()].toSorted((a, b) => a.since - b.since)
  const sizes = [...files.map(({ facts }) => facts.size), ...unfinished.map(({ size }) => size)]
  const names = [...files, ...unfinished].slice(0, MAX_NAMED).map(({ name }) => shownName(name))
  return {
    files: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    oldestAgeMs: files[0] === undefined ? 0 : Math.round(now - files[0].since),
    confidence: 'exact',
    names,
  }
}

/** Puts together what is known. */
export function statusOf(
  facts: WatchFacts,
  { waiting, unfinished, journal, queue, hints }: Sources,
): WatchStatus {
  const now = performance.now()
  const pending = pendingOf(waiting, unfinished, now)
  const oldest = [...waiting.all.values()].toSorted((a, b) => a.since - b.since)
  const rate = queue.rate(now)
  const [proven, evicted] = [
    { files: 0, bytes: 0 },
    { files: 0, bytes: 0 },
  ]
  const conflicts: WatchStatus['conflicts'] = []
  for (const [name, file] of journal.proven) {
    for (const sum of file.place === 'evicted' ? [proven, evicted] : [proven]) {
      sum.files += 1
      sum.bytes += file.facts.size
    }
    if (file.isConflict && conflicts.length < MAX_NAMED)
      conflicts.push({ path: shownName(name), key: file.key })
  }
  const isSeen = facts.state === 'watching' || facts.state === 'draining'
  return {
    state: facts.state,
    reason: facts.reason ?? queue.pause,
    pending,
    waiting: oldest.slice(0, MAX_NAMED).map((file) => ({
      path: shownName(file.name),
      bytes: file.facts.size,
      state: file.state,
      ageMs: Math.round(now - file.since),
      attempts: file.attempts,
      isOpen: file.isOpen,
      ...(file.failure && { failure: file.failure }),
    })),
    proven,
    evicted,
    conflicts,
    leftOut: facts.leftOut,
    isPaused: queue.isPaused,
    note: facts.note,
    isSafeToStop: isSeen && pending.files === 0 && facts.scannedAt !== undefined,
    safeAsOf: pending.files === 0 && isSeen ? facts.scannedAt : facts.safeAsOf,
    remainingMs: rate > 0 ? Math.round((pending.bytes / rate) * 1000) : undefined,
    sent: { files: queue.sentFiles, bytes: queue.sentBytes },
    hints,
  }
}

/** What should be known although all is well. */
export function noteOf({
  root,
  held,
  isPartial,
}: {
  root: string
  held: string | undefined
  isPartial: boolean
}): WatchStatus['note'] {
  if (held !== undefined) {
    return {
      code: 's3-link/removals-held',
      message: `nothing is removed from S3 for what is gone from \`${root}\`: ${held}`,
      hint: 'look whether the files are gone on purpose; else bring them back',
    }
  }
  if (!isPartial) return undefined
  return {
    code: 's3-link/no-watches',
    message: `new files in \`${root}\` are found by scans only: the kernel has no watches left`,
    hint: 'raise fs.inotify.max_user_watches for files to be sent sooner; nothing is lost',
  }
}

/** Why nothing can be seen of the folder. */
export function reasonOf(error: unknown, root: string): WatchReason {
  const isOurs = error instanceof BerthError
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: isOurs ? error.code : 's3-link/unreadable-folder',
    message: isOurs ? message : `could not read \`${root}\`: ${message}`,
    hint: (isOurs ? error.hint : undefined) ?? 'look whether its disk is still there',
  }
}
