import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backoffMs, systemClock } from './clock.ts'

test('waits a random time below a limit that doubles up to the longest', () => {
  const limits = { initialMs: 1000, maxMs: 6000 }
  expect([1, 2, 3, 4, 5000].map((attempt) => backoffMs(attempt, limits, () => 1))).toEqual([
    1000, 2000, 4000, 6000, 6000,
  ])
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const delay = backoffMs(attempt, limits, () => random)
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(Math.min(6000, 1000 * 2 ** (attempt - 1)))
      },
    ),
  )
})

test('stops sleeping with the reason of the abort', async () => {
  const sleeping = systemClock.sleep(60_000, AbortSignal.abort(new Error('enough')))
  await expect(sleeping).rejects.toThrow('enough')
})
