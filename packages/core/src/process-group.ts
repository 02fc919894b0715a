import { setTimeout as sleep } from 'node:timers/promises'

const POLL_MS = 20
/** After KILL only the kernel can still hold a process (a hung mount); waiting longer doesn't help. */
const AFTER_KILL_MS = 200

/**
 * Ends every process of a group: SIGTERM, and SIGKILL for those that are left after `graceMs`. Resolves when none is left, or shortly after
 * the KILL. A process that left the group by `setsid` is not reached.
 */
export async function endProcessGroup(group: number, graceMs: number): Promise<void> {
  if (!signalGroup(group, 'SIGTERM')) return
  if (await hasEnded(group, graceMs)) return
  signalGroup(group, 'SIGKILL')
  await hasEnded(group, AFTER_KILL_MS)
}

async function hasEnded(group: number, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs
  while (signalGroup(group, 0)) {
    if (performance.now() >= end) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Says whether there was a process to signal. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    // EPERM: there are processes, of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
