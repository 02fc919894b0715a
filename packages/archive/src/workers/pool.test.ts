import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { createPool } from './pool.ts'
import { Threads } from './threads.ts'
import { newDirectory } from '../testing.ts'

const SCRIPT = `
import { parentPort } from 'node:worker_threads'
import { writeFileSync } from 'node:fs'
parentPort.on('message', (task) => {
  if (task === 'end') return parentPort.close()
  if (task.crash) process.exit(3)
  if (task.throws) throw new Error('thrown in the worker')
  const until = Date.now() + (task.ms ?? 0)
  while (Date.now() < until);
  if (task.mark) writeFileSync(task.mark, '')
  parentPort.postMessage({ result: task.value })
})
`

interface Task {
  value?: number
  ms?: number
  crash?: boolean
  throws?: boolean
}

function newPool(signal?: AbortSignal) {
  const path = join(newDirectory(), 'worker.mjs')
  writeFileSync(path, SCRIPT)
  return createPool<Task, number>(pathToFileURL(path), 2, signal)
}

test('gives each task its own answer', async () => {
  const pool = newPool()
  const values = Array.from({ length: 50 }, (_, index) => index)
  expect(await Promise.all(values.map((value) => pool.run({ value })))).toEqual(values)
  await pool.close()
})

test.each([
  ['ends', { crash: true }, 'a worker thread ended'],
  ['throws', { throws: true }, 'thrown in the worker'],
])('rejects everything when a worker %s', async (_, task, message) => {
  const pool = newPool()
  const results = await Promise.allSettled([
    pool.run(task),
    ...Array.from({ length: 10 }, () => pool.run({ ms: 20 })),
  ])
  expect(results[0]).toMatchObject({ status: 'rejected', reason: { message } })
  await expect(pool.run({ value: 1 })).rejects.toMatchObject({ message })
  await pool.close()
})

test('rejects everything at once when the signal aborts, and ends a worker that does not listen', async () => {
  const controller = new AbortController()
  const pool = newPool(controller.signal)
  await pool.run({ value: 1 })
  const long = pool.run({ ms: 60_000 })
  const waiting = [pool.run({ ms: 60_000 }), pool.run({ value: 3 })]
  const startedAt = performance.now()
  setTimeout(() => controller.abort(new Error('stop')), 50)
  for (const job of [long, ...waiting]) await expect(job).rejects.toThrow('stop')
  expect(performance.now() - startedAt).toBeLessThan(3000)
  await pool.close()
  expect(performance.now() - startedAt).toBeLessThan(6000)
})

test('uses threads that were started before, and ends those that it never needed', async () => {
  const path = join(newDirectory(), 'worker.mjs')
  writeFileSync(path, SCRIPT)
  const threads = new Threads(pathToFileURL(path))
  threads.start(2)
  const pool = createPool<Task, number>(threads, 2)
  expect(await pool.run({ value: 1 })).toBe(1)
  await pool.close()
  await threads.take().ended
  expect(threads.isOver[0]).toBe(1)
})

test('says so when a thread failed before anyone took it', async () => {
  const path = join(newDirectory(), 'worker.mjs')
  writeFileSync(path, `throw new Error('thrown at the start')`)
  const threads = new Threads(pathToFileURL(path))
  threads.start(1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const pool = createPool<Task, number>(threads, 1)
  await expect(pool.run({ value: 1 })).rejects.toThrow('thrown at the start')
  await pool.close()
})

test('may be closed while its threads start', async () => {
  for (let round = 0; round < 20; round++) {
    const pool = newPool()
    const jobs = [pool.run({ value: 1 }), pool.run({ value: 2 })].map((job) =>
      job.catch((error: Error) => error.message),
    )
    await new Promise((resolve) => setTimeout(resolve, round))
    await pool.close()
    for (const answer of await Promise.all(jobs))
      expect([1, 2, 'the worker pool is closed']).toContain(answer)
  }
})
