import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

interface ProcessStat {
  pid: number
  state: string
  parent: number
  group: number
  /** Clock ticks since the kernel booted: with the pid it names one process for good. */
  startTime: string
}

/** One process as the kernel shows it, or `undefined` when it is gone or there is no `/proc`. */
export function readStat(pid: number | string): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name is in parentheses and may hold anything, so fields are counted from the last one (proc_pid_stat(5)).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', parent = '', group = ''] = fields
    return {
      pid: Number(pid),
      state,
      parent: Number(parent),
      group: Number(group),
      startTime: fields[19] ?? '',
    }
  } catch {
    return undefined
  }
}

function livePids(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** The processes that carry `NAME=value` in the environment they were started with: they and all they started, wherever they went. */
export function processesMarked(name: string, value: string): number[] {
  const mark = `\0${name}=${value}\0`
  return livePids()
    .filter((pid) => {
      try {
        return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`.includes(mark)
      } catch {
        return false
      }
    })
    .map(Number)
    .filter((pid) => pid !== process.pid && isRunning(pid))
}

/** The processes of a group that are not merely waiting to be reaped. */
export function processesOfGroup(group: number): number[] {
  return livePids()
    .map(readStat)
    .filter((stat) => stat !== undefined)
    .filter((stat) => stat.group === group && stat.state !== 'Z' && stat.state !== 'X')
    .map(({ pid }) => pid)
}

/** Says whether a process is there and not merely waiting to be reaped. */
export function isRunning(pid: number): boolean {
  const stat = readStat(pid)
  return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X'
}

/** Sends a signal; a process or group (negative) that is gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}

/** Ends what `find` finds: SIGTERM, up to `patienceMs`, SIGKILL. Resolves with how many there were. */
export async function endProcesses(find: () => number[], patienceMs: number): Promise<number> {
  const found = find()
  for (const pid of found) signalProcess(pid, 'SIGTERM')
  const until = Date.now() + patienceMs
  let left = found
  while (left.length > 0 && Date.now() < until) {
    await sleep(Math.min(20, patienceMs))
    left = find()
  }
  for (const pid of left) signalProcess(pid, 'SIGKILL')
  return found.length
}
