import type { Pending } from '../driver/driver.ts'
import type { WatchOptions } from '../driver/watch-options.ts'

export interface StopAnswer {
  isStopped: boolean
  /** What is not in S3 yet. */
  pending: Pending
  /** Programs that have files open for writing. */
  holders: string[]
}

/** What stays with a mount, or with a folder that is watched, and writes its status. */
export interface Keeper {
  /** The first start: whatever fails is thrown, and nothing of it stays. */
  start: () => Promise<void>
  /** Ends a start that is under way; afterwards it does nothing. */
  giveUpStart: () => void
  /** Looks, judges and acts; called every second, and at once when `awakened` resolves. */
  tick: () => Promise<void>
  awakened: () => Promise<unknown>
  /** Goes on with other options, where it can do so without a new start. */
  adjust?: (options: WatchOptions) => void
  /** Turns links to the disk, sends everything, then ends; when the time is over first it goes on, and the answer says what is not in S3. */
  stop: (deadline: number) => Promise<StopAnswer>
}
