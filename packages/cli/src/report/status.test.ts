import type { BerthEvent } from '@berth/core'
import { expect, test } from 'vitest'
import { noStatus, probeHolds, statusExitCode, statusOf } from './status.ts'
import { statusText } from './status-text.ts'
import { dawn, mustLife, pipelineEvents, podLife, recordStart } from './testing.ts'
import type { RecordLine } from './record-line.ts'

const boot = pipelineEvents('boot', { at: [0, 1000], steps: [{ id: 'venv', at: [0, 900] }] })
const degraded = pipelineEvents('boot', {
  at: [0, 1000],
  steps: [{ id: 'venv', at: [0, 900], result: 'failed', optional: true }],
})
const failed = degraded.map((event): BerthEvent =>
  event.type === 'pipeline:end' ? { ...event, result: 'failed' } : event,
)
const brokenOverlay: BerthEvent = {
  type: 'error',
  error: { code: 'cli/broken-overlay', message: 'could not use the overlay' },
  time: dawn,
}
const main: BerthEvent = { type: 'main:start', command: ['app'], pid: 40, time: dawn + 1100 }
const awaited: BerthEvent = { ...main, awaited: true }
const ready: BerthEvent = { type: 'main:ready', durationMs: 5000, time: dawn + 6100 }
const waits: BerthEvent = { type: 'wait', reason: 'no command was given', time: dawn }
const note = { type: 'note', level: 'info', time: dawn } as const
const waited: BerthEvent = { ...note, text: 'waiting for a signal: no command was given' }
const askedOnce: BerthEvent = { ...note, text: '`berth shutdown`: stopping main, 9.5 s left' }
const asked: BerthEvent = { type: 'shutdown:asked', action: 'stopping main', time: dawn + 7000 }
const term: BerthEvent = {
  type: 'signal',
  name: 'SIGTERM',
  action: 'stopping main',
  time: dawn + 7000,
}
const end: RecordLine = { type: 'record:end', code: 0, time: dawn + 9000 }

test.each([
  ['booting', 4, boot.slice(0, 2), true],
  ['booting', 4, boot, true],
  ['ready', 0, [...boot, main], true],
  ['ready', 0, [...boot, waits], true],
  ['booting', 4, [...boot, awaited], true],
  ['ready', 0, [...boot, awaited, ready], true],
  ['degraded', 3, [...degraded, main], true],
  ['degraded', 3, [brokenOverlay, ...boot, main], true],
  ['failed', 1, [brokenOverlay, ...failed, waits], true],
  ['failed', 1, [...failed, waits], true],
  ['degraded', 3, [...failed, main], true],
  ['stopping', 4, [...boot, main, term], true],
  ['stopping', 4, [...boot, main, asked], true],
  // As records of an older version have them.
  ['ready', 0, [...boot, waited], true],
  ['stopping', 4, [...boot, main, askedOnce], true],
  ['ended', 1, [...boot, main, term, end], false],
  ['lost', 1, [...boot, main], false],
] as const)('is %s, exit code %i, after case %#', (state, code, events, isAlive) => {
  const life = mustLife([recordStart, ...events])
  const status = statusOf(life, { isAlive, now: dawn + 8000 })
  expect(status.state).toBe(state)
  expect(statusExitCode(status)).toBe(code)
  expect(status.ready).toBe(code === 0 || code === 3)
})

test('is stopping when the supervisor says that it has a deadline', () => {
  const life = mustLife([recordStart, ...boot, main])
  const status = statusOf(life, { isAlive: true, now: dawn + 8000, deadline: dawn + 9500 })
  expect(status).toMatchObject({ state: 'stopping', ready: false })
  expect(statusText(status, dawn + 8000)).toContain('stopping, 1.5 s left')
})

test('probes: live is whether the supervisor answers, startup whether the boot is over, ready whether the app can be used', () => {
  const at = (events: readonly RecordLine[], isAlive = true) => ({
    status: statusOf(mustLife([recordStart, ...events]), { isAlive, now: dawn }),
    answered: isAlive,
  })
  expect(probeHolds('live', at(boot.slice(0, 1)))).toBe(true)
  expect(probeHolds('live', at(boot, false))).toBe(false)
  expect(probeHolds('startup', at(boot.slice(0, 2)))).toBe(false)
  expect(probeHolds('startup', at(failed))).toBe(true)
  expect(probeHolds('ready', at([...boot, main]))).toBe(true)
  expect(probeHolds('ready', at([...degraded, main]))).toBe(true)
  expect(probeHolds('ready', at([...boot, main, term]))).toBe(false)
  expect(probeHolds('startup', { status: noStatus, answered: false })).toBe(false)
})

test('says what runs, how far it is, and what failed', () => {
  const progress = {
    done: 1_600_000_000,
    total: 3_200_000_000,
    unit: 'bytes',
    label: 'venv',
  } as const
  const life = mustLife([
    recordStart,
    ...boot.slice(0, 2),
    { type: 'step:progress', step: 'venv', progress, time: dawn + 500 },
  ])
  const status = statusOf(life, { isAlive: true, now: dawn + 12_000 })
  expect(statusText(status, dawn + 12_000)).toMatchInlineSnapshot(`
    "… comfyui  booting for 12.0 s (pid 12)
      boot: 0 of 1 steps ended, 12.0 s
      … venv: 12.0 s: venv 1.5 GiB of 3.0 GiB, 50 %
    "
  `)
})

test('says how a life ended that is over', () => {
  const status = statusOf(mustLife(podLife(26_700)), { isAlive: false, now: 0 })
  expect(statusText(status, 0)).toMatchInlineSnapshot(`
    "– comfyui  ended with exit code 0 after 20 min 4 s
      boot: degraded, 41.9 s
      main: ended after 19 min 0 s
      shutdown: complete, 3.3 s
      ⚠ deps (optional): could not run \`deps\`: exit code 1
    "
  `)
})

test('says of a boot that was killed who put it away, and how long main was known to run', () => {
  const events = [recordStart, ...boot, main]
  const lost = statusOf(mustLife(events), { isAlive: false, now: dawn + 90_000 })
  expect(statusText({ ...lost, left: 'this boot' }, dawn + 90_000)).toMatchInlineSnapshot(`
    "✖ comfyui  lost: its process was killed, last heard of after 1.1 s
      ⚠ this boot was not put away: \`berth shutdown\` does it
      boot: ready, 1.0 s
      main: last heard of after 0 ms (pid 40)
    "
  `)
  const shutdown = pipelineEvents('shutdown', { at: [60_500, 62_000], steps: [] })
  const textOf = (mainLives: boolean): string => {
    const takeOver = { type: 'record:take-over', mainLives, time: dawn + 60_000 } as const
    const life = mustLife([...events, takeOver, ...shutdown, { ...end, time: dawn + 62_100 }])
    return statusText(statusOf(life, { isAlive: false, now: dawn + 90_000 }), dawn + 90_000)
  }
  expect(textOf(true)).toMatchInlineSnapshot(`
    "– comfyui  ended: it was killed, last heard of after 1.1 s; \`berth shutdown\` put it away
      boot: ready, 1.0 s
      main: ended by \`berth shutdown\` after 59.4 s
      shutdown: complete, 1.5 s
    "
  `)
  expect(textOf(false)).toContain('main: last heard of after 0 ms')
})
