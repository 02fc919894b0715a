import type { FileFacts } from '../upload/file-facts.ts'

/**
 * `settling`: may still be written to. `queued`: waits for its turn. `sending`. `failing`: S3 or the disk said no, and it is tried again.
 */
export type WaitState = 'settling' | 'queued' | 'sending' | 'failing'

/** A file of which S3 is not proven to have the bytes. */
export interface WaitingFile {
  name: string
  facts: FileFacts
  state: WaitState
  /** Since when it waits to be in S3, on the monotonic clock. */
  since: number
  /** Since when its facts are these. */
  unchangedSince: number
  /** When to look at it, or to try it, next. */
  dueAt: number
  attempts: number
  /** Something was heard of it since it is being sent. */
  wasHeard: boolean
  isOpen: boolean
  /** It was there before the watch began. */
  isOld: boolean
  failure?: { code: string; message: string } | undefined
}

export interface ReadyQuestion {
  now: number
  file: Pick<WaitingFile, 'unchangedSince' | 'facts'>
  isOpen: boolean
  /** Whether `isOpen` can be relied on. */
  writersKnown: boolean
  settleMs: number
  /** There is little time: what nobody has open is sent as it is. */
  isDraining: boolean
}

// Where the open files of others can't be read, and for an empty file, which is often the beginning of one.
const BLIND_SETTLE_MS = 2_000
const DRAIN_SETTLE_MS = 100

/**
 * Whether a file is finished, as far as one can tell: nobody has it open for writing, and it has not changed for a while. A wrong yes costs
 * an upload, not data: what is written later is sent again.
 */
export function isReady(question: ReadyQuestion): boolean {
  const { now, file, isOpen, writersKnown, settleMs, isDraining } = question
  if (isOpen) return false
  const isCertain = writersKnown && file.facts.size > 0
  const usual = isCertain ? settleMs : Math.max(settleMs, BLIND_SETTLE_MS)
  return now - file.unchangedSince >= (isDraining ? Math.min(usual, DRAIN_SETTLE_MS) : usual)
}

/** How long to wait before the next try: doubling from one second to ten minutes, a quarter of it at random. */
export function retryDelayMs(attempts: number, random = Math.random()): number {
  const limit = Math.min(600_000, 1000 * 2 ** Math.min(attempts - 1, 20))
  return Math.round(limit * (0.75 + 0.25 * random))
}
