import * as os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const TRIES = 3
const PATIENCE_MS = 10_000
const SAMPLE_MS = 500

/** Measures again, twice at most, what was not good: a time that was taken beside other work says nothing of Berth. */
export async function measureInQuiet<Result>(
  measure: () => Promise<Result>,
  isGood: (result: Result) => boolean,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    await untilQuiet()
    const result = await measure()
    if (isGood(result) || tries === TRIES) return result
  }
}

/** Waits, for a while at most, until half of this machine is idle. */
async function untilQuiet(): Promise<void> {
  const limit = Date.now() + PATIENCE_MS
  for (let before = readTimes(); Date.now() < limit;) {
    await sleep(SAMPLE_MS)
    const now = readTimes()
    if (now.idle - before.idle > (now.all - before.all) / 2) return
    before = now
  }
}

function readTimes(): { idle: number; all: number } {
  const times = os.cpus().map((core) => core.times)
  const idle = times.reduce((sum, core) => sum + core.idle, 0)
  const all = times.flatMap((core) => Object.values(core)).reduce((sum, time) => sum + time, 0)
  return { idle, all }
}
