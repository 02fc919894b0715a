import { expect, test } from 'vitest'
import { median, pairedRatio, spread } from './statistics.ts'

test.each<[number[], number]>([
  [[3], 3],
  [[9, 1, 4], 4],
  [[4, 1, 2, 100], 3],
  [[10, 9], 9.5],
])('the median of %j is %d', (values, middle) => {
  expect(median(values)).toBe(middle)
})

test('the median of nothing is not a number', () => {
  expect(median([])).toBeNaN()
})

test('the median leaves the values in their order', () => {
  const values = [3, 1, 2]
  median(values)
  expect(values).toEqual([3, 1, 2])
})

test('the spread is half the range, relative to the median', () => {
  expect(spread([8, 10, 14])).toBeCloseTo(0.3)
})

test('a ratio compares within rounds: a slow round moves both', () => {
  expect(pairedRatio([2, 20, 2], [1, 10, 1])).toBe(2)
  expect(pairedRatio([2, 2, 2], [1, 10, 1])).toBe(2)
})

test('a round that only one of them finished does not count', () => {
  expect(pairedRatio([6, 6], [2, 3, 4])).toBe(2.5)
})
