import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { requirement } from '@berth/core/testing'
import { expect } from 'vitest'
import { eventually, Pod } from './pod.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

function numberIn(pid: number, file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1])
}

/** Clock ticks that a process has used, itself and for the kernel. */
function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

withProcfs('takes little memory and no time while main runs', async () => {
  const pod = new Pod(`
boot: [{ id: one, run: 'true' }]
main: { ready: { file: ready } }
shutdown: [{ id: save, run: 'true', every: 1h }]
`)
  pod.write('ready', '')
  const run = pod.boot(['--', 'sleep', '600'])
  await eventually(() => run.stderr.includes('ready after'))
  // What a start leaves to do later: the cache of compiled modules, the record.
  await sleep(1500)
  const ticksBefore = ticks(run.pid)
  const wakeups = () => numberIn(run.pid, 'status', /^voluntary_ctxt_switches:\s+(\d+)/m)
  const wokenBefore = wakeups()
  await sleep(3000)
  const mib = numberIn(run.pid, 'status', /^VmRSS:\s+(\d+)/m) / 1024
  expect(mib).toBeLessThan(70)
  expect(ticks(run.pid) - ticksBefore).toBeLessThan(3)
  expect(wakeups() - wokenBefore).toBeLessThan(30)
  run.kill('SIGTERM')
  await run.ended
})
