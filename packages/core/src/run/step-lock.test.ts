import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BerthError } from '../error.ts'
import { openLab } from '../testing/lab.ts'
import type { AcquireLease } from './step-lock.ts'

/** Leases of one process, and what became of them. */
function openLeases() {
  const held = new Map<string, string>()
  const log: string[] = []
  let lose: (reason: unknown) => void = () => {}
  const acquireLease: AcquireLease = ({ path, owner, ttlMs }) => {
    const holder = held.get(path)
    if (holder !== undefined) return Promise.resolve({ state: 'busy', owner: holder })
    const lost = new AbortController()
    lose = (reason) => lost.abort(reason)
    held.set(path, owner)
    log.push(`take ${path} ${ttlMs}`)
    const release = () => {
      held.delete(path)
      log.push('release')
      return Promise.resolve()
    }
    return Promise.resolve({ state: 'held', signal: lost.signal, release })
  }
  return { held, log, acquireLease, lose: (reason: unknown) => lose(reason) }
}

test('holds the lock for all attempts of a step, and of a ladder, and gives it up whatever became of it', async () => {
  const leases = openLeases()
  const lab = await openLab(`
vars: { volume: { default: /volume } }
boot:
  - { id: a, run: '[ "$(wc -l < log)" = 2 ] || { echo a >> log; exit 1; }', retry: { attempts: 3, initial: 1ms }, lock: { file: "\${{ vars.volume }}/a.lock", ttl: 5s }, needs: [], explain: x }
  - { id: b, any-of: [{ run: exit 1 }], lock: { file: b.lock } }
`)
  await lab.run('boot', { acquireLease: leases.acquireLease })
  expect(lab.ends()).toEqual(['a done', 'b-run failed', 'b failed'])
  expect(leases.log).toEqual([
    'take /volume/a.lock 5000',
    'release',
    `take ${lab.directory}/b.lock 60000`,
    'release',
  ])
})

test('waits while another holds the lock, and says for whom', async () => {
  const leases = openLeases()
  leases.held.set('/volume/lock', 'pod-7 comfyui/models')
  const lab = await openLab(`boot: [{ id: a, run: echo a >> log, lock: { file: /volume/lock } }]`)
  const running = lab.run('boot', { acquireLease: leases.acquireLease })
  await expect.poll(() => lab.events.length).toBe(2)
  expect(lab.events.at(-1)).toMatchObject({
    step: 'a',
    text: 'waiting for the lock `/volume/lock`, which `pod-7 comfyui/models` holds',
  })
  await sleep(600)
  expect(await lab.notes()).toEqual([])
  leases.held.clear()
  expect((await running).result).toBe('ready')
  expect(lab.events.filter(({ type }) => type === 'step:log')).toHaveLength(1)
})

const cures: Record<string, string> = {
  'wait: 50ms': 'a longer `wait` gives it more time',
  'on-busy: fail': '`on-busy: wait` waits for it',
}

test.each([
  ['wait: 50ms', 'failed'],
  ['on-busy: fail', 'failed'],
  ['on-busy: skip', 'skipped'],
])('with `%s` it ends as `%s` while another holds the lock', async (key, result) => {
  const leases = openLeases()
  leases.held.set('/volume/lock', 'pod-7')
  const lab = await openLab(
    `boot: [{ id: a, run: echo a >> log, lock: { file: /volume/lock, ${key} } }]`,
  )
  const { steps } = await lab.run('boot', { acquireLease: leases.acquireLease })
  expect(steps.a).toMatchObject(
    result === 'failed'
      ? {
          result,
          error: {
            code: 'core/locked',
            message: 'could not take the lock `/volume/lock`: `pod-7` holds it',
            hint: `see whether that pod goes on; ${cures[key]}`,
          },
        }
      : { result, reason: '`pod-7` holds the lock `/volume/lock`' },
  )
  expect(await lab.notes()).toEqual([])
})

test('stops waiting when the pipeline is cancelled', async () => {
  const leases = openLeases()
  leases.held.set('/volume/lock', 'pod-7')
  const lab = await openLab(`boot: [{ id: a, run: echo a >> log, lock: { file: /volume/lock } }]`)
  const cancel = new AbortController()
  const running = lab.run('boot', { acquireLease: leases.acquireLease, signal: cancel.signal })
  await expect.poll(() => lab.events.length).toBe(2)
  cancel.abort()
  expect(await running).toMatchObject({
    result: 'cancelled',
    steps: { a: { result: 'cancelled' } },
  })
})

test('gives up a lease that a hung volume grants after the step was cancelled', async () => {
  const leases = openLeases()
  const granted = Promise.withResolvers<void>()
  const acquireLease: AcquireLease = async (settings) => {
    await granted.promise
    return leases.acquireLease(settings)
  }
  const lab = await openLab(`boot: [{ id: a, run: echo a >> log, lock: { file: /volume/lock } }]`)
  const { steps } = await lab.run('boot', { acquireLease, signal: AbortSignal.timeout(20) })
  expect(steps.a).toMatchObject({ result: 'cancelled' })
  granted.resolve()
  await expect.poll(() => leases.log).toEqual(['take /volume/lock 60000', 'release'])
})

test('stops a step whose lease is lost', async () => {
  const leases = openLeases()
  const lab = await openLab(
    `boot: [{ id: a, run: 'echo a >> log; sleep 60', retry: { attempts: 3 }, lock: { file: /volume/lock } }]`,
  )
  const running = lab.run('boot', { acquireLease: leases.acquireLease })
  await expect.poll(() => lab.notes()).toEqual(['a'])
  leases.lose(new BerthError('filesystem/lease-lost', 'could not keep the lease: it is over'))
  expect((await running).steps.a).toMatchObject({
    result: 'failed',
    error: { code: 'filesystem/lease-lost' },
  })
  expect(await lab.notes()).toEqual(['a'])
})

test('keeps the lease of a step that goes on although it was told to stop', async () => {
  const leases = openLeases()
  const lab = await openLab(
    `boot: [{ id: a, uses: lab/wait, with: { ms: 3000, deaf: true }, timeout: 30ms, lock: { file: /volume/lock } }]`,
  )
  const { steps } = await lab.run('boot', { acquireLease: leases.acquireLease })
  expect(steps.a).toMatchObject({ result: 'timeout', leftBehind: true })
  expect(leases.log).toEqual(['take /volume/lock 60000'])
})
