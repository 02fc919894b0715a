import type { Pending } from '../driver/driver.ts'
import type { WatchOptions } from '../driver/watch-options.ts'

export interface StopAnswer {
  isStopped: boolean
  /** What is not in S3 yet. */
  pending: Pending
  /** Programs that have files open for writing. */
  holders: string[]
  /** Files that programs closed and that are not in S3, of a mount that is ended: nobody has them any more. */
  missing?: string[]
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
  /**
   * Turns one link to the disk, where it stays until it is taken away, and waits until what was written through it is sent; when the time is over
   * first it leads to the mount again, and the answer says what is not in S3.
   */
  leave?: (path: string, deadline: number) => Promise<StopAnswer>
  /** Turns links to the disk, sends everything, then ends; when the time is over first it goes on, and the answer says what is not in S3. */
  stop: (deadline: number) => Promise<StopAnswer>
}
