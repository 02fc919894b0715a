import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Lease } from './lease.ts'
import { acquireLease } from './lease.ts'
import { runProgram } from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

async function hold(path: string, ttlMs = 60_000): Promise<Lease> {
  const lease = await acquireLease({ path, owner: 'pod-1', ttlMs })
  if (lease.state === 'busy') throw new Error(`busy: ${lease.owner}`)
  return lease
}

const takeAndStay = `const lease = await filesystem.acquireLease(values)
  process.stdout.write(lease.state)
  setInterval(() => undefined, 1000)`

/** Takes a lease in another process and kills that. */
async function leaveBehind(path: string, ttlMs: number): Promise<void> {
  const values = { path, owner: 'killed', ttlMs }
  await runProgram({ script: `${takeAndStay}; process.kill(process.pid, 'SIGKILL')`, values })
}

test('is held by one, told to the others, and free after its release', async () => {
  const directory = makeTemporaryDirectory()
  const path = join(directory, 'locks/copy.lease')
  const lease = await hold(path)
  const busy = await acquireLease({ path, owner: 'pod-2', ttlMs: 60_000 })
  expect(busy).toEqual({ state: 'busy', owner: 'pod-1', expiresAt: expect.any(Number) })
  expect(busy.state === 'busy' && Math.abs(busy.expiresAt - Date.now() - 60_000) < 5_000).toBe(true)
  await lease.release()
  await lease.release()
  await (await hold(path)).release()
  expect(readdirSync(join(directory, 'locks'))).toEqual([])
})

test('says in its file who holds it', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  const lease = await hold(path)
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    owner: 'pod-1',
    pid: process.pid,
    host: expect.any(String),
    bootId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
  })
  await lease.release()
})

test('stays held for many terms by its heartbeat', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  const lease = await hold(path, 1000)
  const until = performance.now() + 3500
  while (performance.now() < until) {
    expect((await acquireLease({ path, owner: 'pod-2', ttlMs: 1000 })).state).toBe('busy')
    await wait(50)
  }
  expect(lease.signal.aborted).toBe(false)
  await lease.release()
})

test('passes on from a killed holder when it has been over for a term, not before', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  await leaveBehind(path, 500)
  const { expiresAt } = JSON.parse(readFileSync(path, 'utf8'))
  let lease = await acquireLease({ path, owner: 'pod-2', ttlMs: 500 })
  while (lease.state === 'busy') {
    await wait(20)
    lease = await acquireLease({ path, owner: 'pod-2', ttlMs: 500 })
  }
  expect(Date.now()).toBeGreaterThan(expiresAt + 500)
  expect(Date.now()).toBeLessThan(expiresAt + 10_000)
  await lease.release()
})

test(
  'goes to exactly one of many that ask at once, also when they steal it',
  { timeout: 60_000 },
  async () => {
    for (const isStolen of [false, true]) {
      const path = join(makeTemporaryDirectory(), 'lease')
      if (isStolen) await leaveBehind(path, 200)
      if (isStolen) await wait(600)
      const startAt = Date.now() + 1500
      // Ten processes that ask at the same moment, each as often as it can for a while.
      const script = `await new Promise((go) => setTimeout(go, values.startAt - Date.now()))
      const lease = await filesystem.acquireLease({ ...values, owner: String(process.pid) })
      await new Promise((go) => setTimeout(go, 1000))
      const isHeld = lease.state === 'held' && !lease.signal.aborted
      console.log(isHeld ? 'held' : 'busy')
      process.exit()`
      const values = { path, ttlMs: 5000, startAt }
      const ends = await Promise.all(
        Array.from({ length: 10 }, () => runProgram({ script, values })),
      )
      const answers = ends.map(({ output }) => output.trim())
      expect(answers.toSorted()).toEqual([...Array.from({ length: 9 }, () => 'busy'), 'held'])
    }
  },
)

test('is lost for a holder that slept through it', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  const lease = await hold(path, 100)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
  await expect(lease.renew()).rejects.toMatchObject({ code: 'filesystem/lease-lost' })
  expect(lease.signal.reason).toMatchObject({ code: 'filesystem/lease-lost' })
  await lease.release()
})

test('is lost when another has it, and its release leaves theirs alone', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  const lease = await hold(path)
  const theirs = readFileSync(path, 'utf8').replace(/"nonce":"../, '"nonce":"zz')
  writeFileSync(path, theirs)
  await expect(lease.renew()).rejects.toThrow('another process has taken it')
  await lease.release()
  expect(readFileSync(path, 'utf8')).toBe(theirs)
})

test('treats a torn file as someone else’s', async () => {
  const path = join(makeTemporaryDirectory(), 'lease')
  writeFileSync(path, '{"owner":"po')
  chmodSync(path, 0o644)
  expect(await acquireLease({ path, owner: 'pod-2', ttlMs: 100 })).toMatchObject({
    state: 'busy',
    owner: 'unknown',
  })
})
