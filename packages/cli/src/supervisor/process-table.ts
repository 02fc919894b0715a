import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessStat {
  pid: number
  state: string
  parent: number
  group: number
  session: number
  /** Clock ticks since the kernel booted: with the pid it names one process for good. */
  startTime: string
}

/** One process as the kernel shows it, or `undefined` when it is gone or there is no `/proc`. */
export function readStat(pid: number | string): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name is in parentheses and may hold anything, so fields are counted from the last one (proc_pid_stat(5)).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const [state = '', parent = '', group = '', session = ''] = fields
    return {
      pid: Number(pid),
      state,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
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

/** All processes, those that wait to be reaped too. */
export function liveStats(): ProcessStat[] {
  return livePids()
    .map(readStat)
    .filter((stat) => stat !== undefined)
}

/** Says of a process that is there whether it is not merely waiting to be reaped. */
export function isLive({ state }: ProcessStat): boolean {
  return state !== 'Z' && state !== 'X'
}

/** Says whether a process is there and not merely waiting to be reaped. */
export function isRunning(pid: number): boolean {
  const stat = readStat(pid)
  return stat !== undefined && isLive(stat)
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

/** After SIGKILL only the kernel can still hold a process (a hung volume); waiting longer doesn't help. */
const afterKillMs = 200

/** Ends what `find` finds: SIGTERM, up to `patienceMs`, SIGKILL. Resolves when nothing is left, or shortly after the SIGKILL. */
export async function endProcesses(find: () => number[], patienceMs: number): Promise<void> {
  const found = find()
  for (const pid of found) signalProcess(pid, 'SIGTERM')
  await untilGone(found, Date.now() + patienceMs)
  await killProcesses(find)
}

/** To look at each of a few is next to nothing; to find them among all takes longer than the last moments of a grace have. */
async function untilGone(pids: readonly number[], until: number): Promise<void> {
  while (Date.now() < until && pids.some(isRunning)) await sleep(10)
}

/** Kills what `find` finds, again and again: what was forked in between is found the next time. */
export async function killProcesses(find: () => number[]): Promise<void> {
  const until = Date.now() + afterKillMs
  for (let left = find(); left.length > 0 && Date.now() < until; left = find()) {
    for (const pid of left) signalProcess(pid, 'SIGKILL')
    await untilGone(left, until)
  }
}

/** As `killProcesses`, without letting anything else of this process run in between. */
export function killAtOnce(find: () => number[]): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const until = Date.now() + afterKillMs
  for (let left = find(); left.length > 0 && Date.now() < until; left = find()) {
    for (const pid of left) signalProcess(pid, 'SIGKILL')
    Atomics.wait(pause, 0, 0, 5)
  }
}
