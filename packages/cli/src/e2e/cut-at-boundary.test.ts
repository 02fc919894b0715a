import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { Pod, type RunningBerth } from './pod.ts'

/** How many lives are cut at a random moment: `BERTH_TEST_MOMENTS=200 npm run test:e2e -- cut-at-boundary`. */
const moments = Number(process.env.BERTH_TEST_MOMENTS ?? 6)

const atOnce = 3

/** Lives that wait for their deadline cost little: a few more of them at the same time. */
const waitingAtOnce = 8

/** What the deadline may be missed by, beyond which a quiet machine is at fault, and one that is late itself. */
const allowedMs = { quiet: 400, late: 3200 }

/** A machine that wakes nobody later than this is quiet. */
const quietMs = 50

const note = (id: string, more = ''): string => `
      - id: ${id}
        run: 'echo "do ${id}" >> "$LOG"${more}'
        undo: 'echo "undo ${id}" >> "$LOG"'`

const recipe = `
grace: 20s
boot:
  - parallel:${note('first')}${note('beside')}
  - id: ladder
    any-of:${note('refused', '; exit 1')}${note('chosen')}${note('never')}
  - parallel:${note('last')}
shutdown: [{ run: echo save >> "$LOG" }]
`
const steps = ['first', 'beside', 'refused', 'chosen', 'never', 'last']

const main = ['--', 'sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.05; done']

interface Cut {
  pod: Pod
  run: RunningBerth
  /** The last that had happened when the signal was sent. */
  at: string
}

/** Lives a pod, and sends SIGTERM when it reports its n-th event, or at the latest when main runs. */
async function cutAtEvent(count: number): Promise<Cut> {
  const pod = new Pod(recipe)
  const run = pod.boot(['--json', ...main])
  let at = ''
  run.child.stdout?.on('data', () => {
    const events = run.stdout.split('\n').slice(0, -1)
    const isBooted = events.some((event) => event.includes('"main:start"'))
    if (at !== '' || (events.length < count && !isBooted)) return
    at = events[count - 1] ?? events.at(-1) ?? ''
    run.kill('SIGTERM')
  })
  await run.ended
  return { pod, run, at }
}

/** Every step that has begun, and was not taken back exactly once. */
function notUndoneOnce({ pod }: Cut): string[] {
  const times = (text: string): number => pod.log.filter((line) => line === text).length
  return steps.filter((id) => {
    const undone = times(`undo ${id}`)
    return times(`do ${id}`) === 0 ? undone > 1 : undone !== 1
  })
}

test('takes back once what had begun, at whichever event of the boot SIGTERM comes', async () => {
  let count = 0
  let isOver = false
  let cuts = 0
  const next = async (): Promise<void> => {
    while (!isOver) {
      count += 1
      const cut = await cutAtEvent(count)
      const facts = `${cut.at}\n${JSON.stringify(cut.pod.log)}\n${cut.run.stderr}`
      expect(notUndoneOnce(cut), facts).toEqual([])
      expect(
        cut.pod.log.filter((line) => line === 'save'),
        facts,
      ).toEqual(['save'])
      cuts += 1
      isOver ||= cut.at.includes('"main:start"')
    }
  }
  await Promise.all(Array.from({ length: atOnce }, next))
  expect(cuts).toBeGreaterThan(15)
}, 120_000)

const stubborn = (graceMs: number): string => `
grace: ${graceMs}ms
boot:
  - { id: one, run: 'trap "" TERM; sleep 0.3', undo: 'trap "" TERM; sleep 60' }
  - { id: two, run: 'sleep 0.3', undo: 'trap "" TERM; echo two >> "$LOG"; sleep 60' }
  - { id: three, run: 'sleep 60', undo: 'sleep 60' }
shutdown:
  - { id: save, run: 'trap "" TERM; echo save >> "$LOG"; sleep 60' }
`

test(
  'ends by its deadline, whenever SIGTERM comes, though neither a step nor an undo does',
  async () => {
    const over: number[] = []
    const bare: number[] = []
    const told: string[] = []
    let left = moments
    const live = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        const graceMs = Math.round(2000 + Math.random() * 3000)
        const pod = new Pod(stubborn(graceMs))
        const run = pod.boot(main)
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500))
        const signalledAt = performance.now()
        run.kill('SIGTERM')
        const killed = killBare(graceMs)
        await run.ended
        const late = Math.round(performance.now() - signalledAt - graceMs)
        over.push(late)
        if (late > 200) told.push(`${late} ms after ${graceMs} ms:\n${run.stderr}`)
        bare.push(await killed)
      }
    }
    const watch = watchLateness()
    await Promise.all(Array.from({ length: waitingAtOnce }, live))
    const machine = Math.max(watch.stop(), ...bare)
    console.log(
      `after the deadline: ${distribution(over)}; a bare sleep, killed then: ${distribution(bare)}; the machine woke us at most ${machine} ms late`,
    )
    if (told.length > 0) console.log(told.join('\n'))
    expect(Math.max(...over)).toBeLessThan(machine > quietMs ? allowedMs.late : allowedMs.quiet)
  },
  60_000 + moments * 2000,
)

/** How late a program is gone that does nothing but sleep and is killed: what the machine itself adds. */
async function killBare(ms: number): Promise<number> {
  const startedAt = performance.now()
  const child = spawn('sleep', ['60'])
  setTimeout(() => child.kill('SIGKILL'), ms)
  await once(child, 'exit')
  return Math.round(performance.now() - startedAt - ms)
}

/** How late timers of ours are at most, until it is stopped. */
function watchLateness(): { stop: () => number } {
  const everyMs = 25
  let [most, last] = [0, performance.now()]
  const timer = setInterval(() => {
    const now = performance.now()
    most = Math.max(most, now - last - everyMs)
    last = now
  }, everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.round(most)
    },
  }
}

function distribution(values: readonly number[]): string {
  const sorted = values.toSorted((one, other) => one - other)
  const at = (share: number): number | undefined => sorted[Math.floor((sorted.length - 1) * share)]
  return `least ${at(0)} ms, median ${at(0.5)} ms, 95 % ${at(0.95)} ms, most ${at(1)} ms, of ${values.length}`
}
