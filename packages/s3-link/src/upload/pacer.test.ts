import { expect, test } from 'vitest'
import { Pacer } from './pacer.ts'

test('pieces follow each other at the rate, and a pause earns no burst', () => {
  const pacer = new Pacer(1_000)
  expect(pacer.book(500, 0)).toBe(0)
  expect(pacer.book(500, 0)).toBe(500)
  expect(pacer.book(250, 100)).toBe(900)
  expect(pacer.book(1_000, 60_000)).toBe(0)
  expect(pacer.book(1_000, 60_000)).toBe(1_000)
})

test('who waits can be told to stop', async () => {
  const pacer = new Pacer(1)
  const stop = new AbortController()
  await pacer.take(1_000, stop.signal)
  const waiting = pacer.take(1, stop.signal)
  stop.abort()
  await expect(waiting).rejects.toThrow('aborted')
})

test('what waits can be let through at once', async () => {
  const pacer = new Pacer(1)
  const { signal } = new AbortController()
  const waiting = [1, 2, 3].map(() => pacer.take(1_000, signal))
  pacer.lift()
  await Promise.all(waiting)
  expect(pacer.book(1, 0)).toBe(0)
})
