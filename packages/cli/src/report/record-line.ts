import type { BerthEvent } from '@berth/core'

/** The first line of a boot's record. */
export interface RecordStart {
  type: 'record:start'
  time: number
  version: 1
  /** The recipe's file, as it was named. */
  file: string
  pid: number
  /** Of the process, in the kernel's own count: with the pid it names one process for good. */
  startTime: string
}

/** From here on `berth shutdown` goes on with the record: the boot did not put everything away. */
export interface RecordTakeOver {
  type: 'record:take-over'
  time: number
  /** Main outlived its supervisor, and is ended now. */
  mainLives: boolean
}

/** The last line of a boot that came to its end. */
export interface RecordEnd {
  type: 'record:end'
  time: number
  code: number
}

/** What was left out of a record so that it stays small: lines of a step, or whole rounds. */
export interface RecordLeftOut {
  type: 'record:left-out'
  time: number
  step?: string
  lines?: number
  rounds?: { count: number; failed: number }
}

/** One line of `events.jsonl`: an event as it was printed, or what only the record knows. */
export type RecordLine = BerthEvent | RecordStart | RecordTakeOver | RecordEnd | RecordLeftOut
