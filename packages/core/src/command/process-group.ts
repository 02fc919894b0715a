import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Between TERM and KILL. With the time that the KILL takes it stays well below the second that a step has to stop. */
export const KILL_AFTER_MS = 500

const POLL_MS = 20
/** After KILL only the kernel can still hold a process (a hung mount); waiting longer doesn't help. */
const AFTER_KILL_MS = 200

/**
 * Ends every process of a group: SIGTERM, and SIGKILL for those that are left after `graceMs`. Resolves when none is left, or shortly after
 * the KILL. A process that left the group by `setsid` is not reached.
 */
export async function endProcessGroup(
  group: number,
  graceMs: number = KILL_AFTER_MS,
): Promise<void> {
  if (!signalGroup(group, 'SIGTERM')) return
  if (await hasEnded(group, graceMs)) return
  signalGroup(group, 'SIGKILL')
  await hasEnded(group, AFTER_KILL_MS)
}

async function hasEnded(group: number, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs
  while (isAlive(group)) {
    if (performance.now() >= end) return false
    await sleep(POLL_MS)
  }
  return true
}

/** Says whether a process of the group still runs. One that has ended but that nobody has reaped, as without an init, does not. */
export function isAlive(group: number): boolean {
  if (!signalGroup(group, 0)) return false
  try {
    const states = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(readState)
    return states.some((state) => state?.group === group && !'ZX'.includes(state.code))
  } catch {
    // Without /proc a process that was not reaped counts as running.
    return true
  }
}

/** `pid (name) state parent group …`, where the name may hold anything: proc_pid_stat(5). */
function readState(pid: string): { code: string; group: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [code = '', , group] = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { code, group: Number(group) }
  } catch {
    return undefined
  }
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
