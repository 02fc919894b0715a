import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { requirement } from '@berth/core/testing'
import { expect, onTestFinished } from 'vitest'
import { familyOf, ProcessFamily } from './process-family.ts'
import { killProcesses, readStat } from './process-table.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

/** A process that prints the pids of a child and of a child in a session of its own, and ends when its input does. */
async function startFamily(): Promise<{ root: ChildProcess; pids: number[] }> {
  const script = 'sleep 79 & echo $!; setsid sleep 79 & echo $!; cat'
  const root = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] })
  let text = ''
  while (text.split('\n').length < 3) {
    const [chunk] = (await once(root.stdout, 'data')) as [Buffer]
    text += chunk.toString()
  }
  const pids = text.trim().split('\n').map(Number)
  const family = new ProcessFamily(root.pid ?? 0)
  family.members()
  onTestFinished(() => killProcesses(() => family.members()))
  return { root, pids }
}

withProcfs(
  'holds the session of a process, and what left it, also when the process ends',
  async () => {
    const { root, pids } = await startFamily()
    const family = new ProcessFamily(root.pid ?? 0)
    expect(family.members()).toEqual(expect.arrayContaining([root.pid, ...pids]))
    expect(family.members()).not.toContain(process.pid)
    root.stdin?.end()
    await once(root, 'exit')
    expect(family.members().toSorted()).toEqual(pids.toSorted())
  },
)

withProcfs('is not that of another process that has the pid by now', async () => {
  const { root, pids } = await startFamily()
  const pid = root.pid ?? 0
  const startTime = readStat(pid)?.startTime ?? ''
  expect(familyOf({ pid, startTime })?.members()).toEqual(expect.arrayContaining(pids))
  expect(familyOf({ pid, startTime: `${startTime}0` })).toBeUndefined()
})
