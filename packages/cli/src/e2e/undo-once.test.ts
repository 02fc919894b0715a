import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { eventually, Pod, type RunningBerth } from './pod.ts'

const withProcfs = requirement('procfs', process.platform === 'linux' || 'it needs /proc')

/** How many lives are cut at a random moment, by a signal and by a kill: `BERTH_TEST_MOMENTS=200 npm run test:e2e -- undo-once`. */
const moments = Number(process.env.BERTH_TEST_MOMENTS ?? 6)

/** How many of them live at the same time. */
const atOnce = 3

const graceMs = 30_000

const step = (id: string, more = ''): string => `
  - id: ${id}
    run: 'echo "do ${id}" >> "$LOG"; sleep 0.1'
    undo: 'echo "undo ${id}" >> "$LOG"; sleep 0.02'
    ${more}`
const recipe = `
grace: ${graceMs}ms
boot:${step('first')}${step('beside', 'needs: []')}${step('last')}${step('late', 'defer: true')}
shutdown: [{ id: save, run: 'sleep 0.1; echo save >> "$LOG"' }]
`
/** About as long as such a life takes until all of it runs. */
const bootMs = 1500

const main = ['--', 'sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.05; done']

interface Cut {
  pod: Pod
  /** It came to its first step; before that nothing has run here, and there is nothing to shut down. */
  hasBegun: boolean
  run: RunningBerth
  afterMs: number
}

async function cutAtRandom(signal: NodeJS.Signals): Promise<Cut> {
  const pod = new Pod(recipe)
  const run = pod.boot(main)
  const afterMs = Math.random() * bootMs
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  run.kill(signal)
  await run.exited
  const hasBegun = existsSync(join(pod.directory, 'state/life.json'))
  return { pod, run, afterMs, hasBegun }
}

/** Every step that has begun, and was not taken back exactly once: empty when all is as it should be. */
function notUndoneOnce({ pod }: Cut): string[] {
  const times = (text: string): number => pod.log.filter((line) => line === text).length
  return ['first', 'beside', 'last', 'late'].filter((id) => {
    const undone = times(`undo ${id}`)
    // A step that was cut before its first line may have been announced.
    return times(`do ${id}`) === 0 ? undone > 1 : undone !== 1
  })
}

async function repeat(count: number, once: () => Promise<void>): Promise<void> {
  for (let done = 0; done < count; done += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - done) }, once))
  }
}

const patience = 60_000 + moments * 5000

test(
  'takes back once what had begun, and within the grace, whenever SIGTERM comes',
  { timeout: patience },
  async () => {
    await repeat(moments, async () => {
      const cut = await cutAtRandom('SIGTERM')
      const { durationMs } = await cut.run.ended
      const facts = { log: cut.pod.log, afterMs: cut.afterMs, stderr: cut.run.stderr }
      expect(notUndoneOnce(cut), JSON.stringify(facts)).toEqual([])
      expect(durationMs - cut.afterMs, JSON.stringify(facts)).toBeLessThan(graceMs)
    })
  },
)

withProcfs(
  'takes back once what had begun when `berth shutdown` comes after a supervisor that was killed',
  async () => {
    await repeat(moments, async () => {
      const cut = await cutAtRandom('SIGKILL')
      if (!cut.hasBegun) return expect(cut.pod.log).toEqual([])
      const after = [cut.pod.berth(['shutdown']), cut.pod.berth(['shutdown', '--wait'])]
      const ends = await Promise.all(after.map(({ ended }) => ended))
      const said = after.map(({ stdout, stderr }) => stdout + stderr).join('\n')
      const facts = `${JSON.stringify({ log: cut.pod.log, afterMs: cut.afterMs })}\n${cut.run.stderr}\n${said}`
      expect(
        ends.map(({ code }) => code),
        facts,
      ).toEqual([0, 0])
      expect(notUndoneOnce(cut), facts).toEqual([])
      // Nothing is left for a later boot.
      const next = cut.pod.berth(['shutdown', '--json'])
      await next.ended
      expect(next.stdout, facts).toBe('{"state":"nothing"}\n')
    })
  },
  patience,
)

withProcfs('takes back once what had begun, though the shutdown is killed too', async () => {
  const cut = await cutAtRandom('SIGKILL')
  if (!cut.hasBegun) return expect(cut.pod.log).toEqual([])
  const first = cut.pod.berth(['shutdown'])
  await eventually(() => first.child.exitCode !== null || /undo/.test(first.stderr))
  first.kill('SIGKILL')
  await first.exited
  const second = cut.pod.berth(['shutdown'])
  expect((await second.ended).code).toBe(0)
  expect(notUndoneOnce(cut), JSON.stringify(cut.pod.log) + second.stderr).toEqual([])
})
