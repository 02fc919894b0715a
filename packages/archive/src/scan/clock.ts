import { closeSync, lstatSync, mkdirSync, openSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { micros } from './scan-directory.ts'

// The coarsest clocks of local file systems tick every 10 ms (CONFIG_HZ=100).
const CLOCK_POLL_MS = 2
const CLOCK_TICK_LIMIT_MS = 1000

/**
 * The file system's own time now, in microseconds, later than the ctime of everything written before the call: waits for its clock
 * to tick. Network file systems have a clock of their own, so ours is never compared.
 */
export async function readFileSystemClock(state: string): Promise<number> {
  const first = probeClock(state)
  const limit = Date.now() + CLOCK_TICK_LIMIT_MS
  for (;;) {
    const now = probeClock(state)
    if (now > first || Date.now() > limit) return now
    await setTimeout(CLOCK_POLL_MS)
  }
}

/** The file system's time without waiting: what is written from now on has this ctime or a later one. */
export function probeClock(state: string): number {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  const probe = findProbe(state)
  const now = new Date()
  utimesSync(probe, now, now)
  return micros(lstatSync(probe).ctimeMs)
}

/** A file in the state that is only touched; it stays, so that kills leave no more than one. */
export const CLOCK = 'clock'

/** The file, or on a full disk, which must not keep anything from being saved, the directory. */
function findProbe(state: string): string {
  const probe = join(state, CLOCK)
  try {
    closeSync(openSync(probe, 'a', 0o600))
    return probe
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT') return state
    throw error
  }
}
