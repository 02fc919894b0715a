import { expect, test } from 'vitest'
import { halfDeadline, stopDeadline } from './grace.ts'

test('keeps half a second of the grace, of a short one a quarter', () => {
  expect(stopDeadline(1000, 10_000)).toBe(10_500)
  expect(stopDeadline(1000, 1000)).toBe(1750)
})

test('gives main at most half of the grace', () => {
  expect(halfDeadline(1000, 10_000)).toBe(6000)
})
