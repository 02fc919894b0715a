import { expect, test } from 'vitest'
import { halfDeadline, lastMoment, stepsDeadline, stopDeadline } from './grace.ts'

test('keeps half a second of the grace, of a short one a quarter', () => {
  expect(stopDeadline(1000, 10_000)).toBe(10_500)
  expect(stopDeadline(1000, 1000)).toBe(1750)
})

test('waits for nothing any more when a quarter of a second is left, of a short grace an eighth', () => {
  expect(lastMoment(1000, 10_000)).toBe(10_750)
  expect(lastMoment(1000, 1000)).toBe(1875)
})

test('gives main at most half of the grace', () => {
  expect(halfDeadline(1000, 10_000)).toBe(6000)
})

test('leaves the undo a share of the time, and nearly all of it to the steps when nothing must be taken back', () => {
  const ends = (seconds: number, hasUndo: boolean) =>
    stepsDeadline({ now: 1000, deadline: 1000 + seconds * 1000, hasUndo })
  expect([1, 8, 100].map((seconds) => ends(seconds, true))).toEqual([1750, 7000, 76_000])
  expect([1, 8, 100].map((seconds) => ends(seconds, false))).toEqual([1950, 8700, 100_700])
  expect(stepsDeadline({ now: 2000, deadline: 1000, hasUndo: true })).toBe(1000)
})
