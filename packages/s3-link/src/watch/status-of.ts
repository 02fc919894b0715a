import type { Pending } from '../driver/driver.ts'
import { shownName } from '../upload/key.ts'
import type { Journal } from './journal.ts'
import type { SendQueue } from './send-queue.ts'
import type { WaitingFiles } from './waiting-files.ts'
import type { WatchStatus } from './watch-status.ts'

/** What the scans found out. */
export interface WatchFacts extends Pick<WatchStatus, 'state' | 'reason' | 'leftOut' | 'safeAsOf'> {
  /** When the last whole scan began, in milliseconds since the epoch. */
  scannedAt?: number
}

interface Sources {
  waiting: WaitingFiles
  journal: Journal
  queue: SendQueue
  hints: WatchStatus['hints']
}

const MAX_NAMED = 20

/** What is not in S3 yet. */
export function pendingOf({ all }: WaitingFiles, now: number): Pending {
  const files = [...all.values()].toSorted((a, b) => a.since - b.since)
  return {
    files: files.length,
    bytes: files.reduce((sum, { facts }) => sum + facts.size, 0),
    oldestAgeMs: files[0] === undefined ? 0 : Math.round(now - files[0].since),
    confidence: 'exact',
    names: files.slice(0, MAX_NAMED).map(({ name }) => shownName(name)),
  }
}

/** Puts together what is known. */
export function statusOf(
  facts: WatchFacts,
  { waiting, journal, queue, hints }: Sources,
): WatchStatus {
  const now = performance.now()
  const pending = pendingOf(waiting, now)
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
    isSafeToStop: isSeen && pending.files === 0 && facts.scannedAt !== undefined,
    safeAsOf: pending.files === 0 && isSeen ? facts.scannedAt : facts.safeAsOf,
    remainingMs: rate > 0 ? Math.round((pending.bytes / rate) * 1000) : undefined,
    sent: { files: queue.sentFiles, bytes: queue.sentBytes },
    hints,
  }
}
