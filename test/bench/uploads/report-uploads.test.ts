import { expect, test } from 'vitest'
import { quantile } from './report-uploads.ts'

test('a quantile is a value that was measured, which so many do not exceed', () => {
  const values = Array.from({ length: 20 }, (_, n) => 20 - n)
  expect(quantile(values, 0.5)).toBe(10)
  expect(quantile(values, 0.95)).toBe(19)
  expect(quantile(values, 1)).toBe(20)
  expect(quantile([], 0.5)).toBeNaN()
})
