import type { Pending } from '../driver/driver.ts'
import type { WaitState } from './watched-file.ts'

export interface WaitingFacts {
  path: string
  bytes: number
  state: WaitState
  ageMs: number
  attempts: number
  /** A program has it open for writing. */
  isOpen: boolean
  failure?: { code: string; message: string }
}

/** Why nothing goes on, or not as it should. */
export interface WatchReason {
  code: string
  message: string
  hint: string
}

export interface WatchStatus {
  /** `starting`: the first scan is under way. `halted`: the folder is not there; nothing is concluded from that. */
  state: 'starting' | 'watching' | 'draining' | 'halted' | 'closed'
  reason: WatchReason | undefined
  /** What is not in S3, with the unfinished files that a program is at work on. */
  pending: Pending
  /** The oldest first, some of them. */
  waiting: WaitingFacts[]
  /** Files that are proven to be in S3, with those that were removed from the disk since. */
  proven: { files: number; bytes: number }
  evicted: { files: number; bytes: number }
  /** Files that are in S3 under another name, because theirs holds someone else's object; some of them. */
  conflicts: { path: string; key: string }[]
  /** What is in the folder and does not go to S3. */
  leftOut: { unfinished: number; symlinks: number; special: number; unreadable: number }
  /** Nothing is begun until it is told to go on. */
  isPaused: boolean
  /** What should be known although all is well: that only scans find new files, that removals are held back. */
  note: WatchReason | undefined
  /** Everything that was there at the last scan is in S3, nothing came since, and no program is at work on an unfinished file. */
  isSafeToStop: boolean
  /** Milliseconds since the epoch: what was there then is in S3. */
  safeAsOf: number | undefined
  /** At the rate of the last half minute; undefined where there is none. */
  remainingMs: number | undefined
  sent: { files: number; bytes: number }
  /** Whether the kernel tells of changes; else only scans find them. */
  hints: 'all' | 'some' | 'none'
}
