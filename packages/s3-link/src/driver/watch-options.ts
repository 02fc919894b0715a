import type { WatchTuning } from '../watch/watch.ts'

/** What can be chosen of a watched folder; may be changed while it is watched. */
export interface WatchOptions {
  /** Begins nothing new. */
  paused: boolean
  /** How long a file must have been in S3 before it is removed from the disk; never without. */
  evictAfterMs: number | undefined
  /** How many of the greatest numbers of a counted series stay on the disk. */
  keepNewest: number
  /** How long a file must be gone before its object is removed; never without. */
  mirrorDeletesAfterMs: number | undefined
  bytesPerSecond: number | undefined
  /** How many files are sent at once. */
  transfers: number | undefined
}

export const defaultWatchOptions: WatchOptions = {
  paused: false,
  evictAfterMs: undefined,
  keepNewest: 1,
  mirrorDeletesAfterMs: undefined,
  bytesPerSecond: undefined,
  transfers: undefined,
}

/** A link's options in two: those that make it another mount, and those of watching. */
export function splitOptions<Options extends WatchOptions>(
  options: Options,
): { mount: Omit<Options, keyof WatchOptions>; watch: WatchOptions } {
  const {
    paused,
    evictAfterMs,
    keepNewest,
    mirrorDeletesAfterMs,
    bytesPerSecond,
    transfers,
    ...mount
  } = options
  const watch = {
    paused,
    evictAfterMs,
    keepNewest,
    mirrorDeletesAfterMs,
    bytesPerSecond,
    transfers,
  }
  return { mount, watch }
}

/** The same as a watch takes them. */
export function tuningOf(options: WatchOptions): WatchTuning {
  const { paused, evictAfterMs, keepNewest, mirrorDeletesAfterMs, bytesPerSecond } = options
  return {
    isPaused: paused,
    transfers: options.transfers,
    bytesPerSecond,
    evict: evictAfterMs === undefined ? undefined : { minAgeMs: evictAfterMs, keepNewest },
    mirrorDeletes:
      mirrorDeletesAfterMs === undefined ? undefined : { graceMs: mirrorDeletesAfterMs },
  }
}
