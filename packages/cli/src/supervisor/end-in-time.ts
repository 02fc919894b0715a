import { setTimeout as sleep } from 'node:timers/promises'

/** What is said and written last, and what hangs, may take so long where nobody is waiting to kill us. */
const unhurriedMs = 5000

/** What is written last may take so long in any case. */
const leastMs = 50

/** And what hangs: what is only slow must not cost the exit code. */
const leastHangMs = 200

/** When a grace is as good as over, in milliseconds since the epoch; asked again and again, because a signal may come. */
type LastMoment = () => number | undefined

/**
 * Waits until all is closed, or the last moment has come, and then releases what others wait for. Where a read or a write still hangs, as on a
 * volume that is gone, it ends the process by SIGKILL: `process.exit` would wait for it for ever.
 */
export async function endInTime({
  closing,
  release,
  lastMoment,
}: {
  closing: readonly Promise<unknown>[]
  release: () => void
  lastMoment: LastMoment
}): Promise<void> {
  let isClosed = false
  void Promise.allSettled(closing).then(() => (isClosed = true))
  await waitWhile(() => !isClosed, leastMs, lastMoment)
  release()
  if (!(await waitWhile(hangs, leastHangMs, lastMoment))) await killOurselves()
}

/** Resolves with false when it was still so at the last moment. */
async function waitWhile(
  isSo: () => boolean,
  atLeastMs: number,
  lastMoment: LastMoment,
): Promise<boolean> {
  const startedAt = Date.now()
  // Most often it is so no more as soon as what has ended has been told.
  await sleep(0)
  while (isSo()) {
    const until = Math.min(lastMoment() ?? Number.POSITIVE_INFINITY, startedAt + unhurriedMs)
    if (Date.now() >= Math.max(until, startedAt + atLeastMs)) return false
    await sleep(5)
  }
  return true
}

/** What libuv's threads are at: an exit joins them. */
function hangs(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.includes('Req'))
}

async function killOurselves(): Promise<void> {
  const text =
    'berth: a disk or a volume does not answer, and would hold up the end: ending by SIGKILL'
  const said = new Promise<void>((resolve) => {
    process.stderr.write(`${text}\n`, () => resolve())
  })
  await Promise.race([said, sleep(leastMs)])
  process.kill(process.pid, 'SIGKILL')
  // From within nothing kills PID 1 but itself.
  process.abort()
}
