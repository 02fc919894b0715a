import * as fs from 'node:fs'

export interface ProcessFacts {
  /** User and system. */
  cpuSeconds: number
  /** What it gave to write calls: to sockets and files. */
  writtenBytes: number
}

// USER_HZ, which the kernel fixes for every architecture that Berth runs on.
const TICKS_PER_SECOND = 100

/** What all processors have worked since the machine was started. */
export function readMachineCpuSeconds(): number {
  const [line = ''] = fs.readFileSync('/proc/stat', 'utf8').split('\n', 1)
  // user, nice, system, idle, iowait, irq, softirq
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND
}

/** What a running process has used since it began. */
export function readProcess(pid: number): ProcessFacts {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  const written = /^wchar: (\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/io`, 'utf8'))
  return { cpuSeconds: ticks / TICKS_PER_SECOND, writtenBytes: Number(written?.[1]) }
}
