import { readFile } from 'node:fs/promises'

/** A process, so that another which got its number later is not taken for it. */
export interface ProcessFacts {
  pid: number
  /** When it began, in clock ticks since the machine's start: proc_pid_stat(5), field 22. */
  startedAt: string
}

/** A running process by its number; undefined for none, and for one that has ended and was not reaped. */
export async function readProcess(pid: number): Promise<ProcessFacts | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { pid, startedAt: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

/** Says whether this very process still runs. */
export async function isRunning({ pid, startedAt }: ProcessFacts): Promise<boolean> {
  return (await readProcess(pid))?.startedAt === startedAt
}
