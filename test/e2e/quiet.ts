import * as os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 30_000
const SAMPLE_MS = 500

/** Waits, for a while at most, until half of this machine is idle: a time that is measured beside other work says nothing of Berth. */
export async function untilQuiet(): Promise<void> {
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
