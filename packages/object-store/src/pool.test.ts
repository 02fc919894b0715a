import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Pool } from './pool.ts'

test('no more tasks run at once than there are places, and all of them run', async () => {
  const pool = new Pool(3)
  let running = 0
  let most = 0
  const task = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await sleep(2)
    running -= 1
    if (Math.random() < 0.5) throw new Error('failed')
  }
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () => pool.run(undefined, task)),
  )
  expect(results).toHaveLength(20)
  expect([most, running]).toEqual([3, 0])
})

test('who waits can be cancelled, and leaves its place to the next', async () => {
  const pool = new Pool(1)
  const order: string[] = []
  const first = pool.run(undefined, () => sleep(20))
  const controller = new AbortController()
  const second = pool.run(controller.signal, async () => void order.push('second'))
  const third = pool.run(undefined, async () => void order.push('third'))
  const reason = new Error('stopped by the test')
  controller.abort(reason)
  await expect(second).rejects.toBe(reason)
  await Promise.all([first, third])
  expect(order).toEqual(['third'])
})
