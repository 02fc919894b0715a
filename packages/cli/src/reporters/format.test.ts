import { expect, test } from 'vitest'
import { formatBytes, formatCount, formatDuration, formatElapsed } from './format.ts'

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1024 * 1024 - 1, '1.0 MiB'],
  [3.1 * 1024 ** 3, '3.1 GiB'],
  [-5, '0 B'],
])('shows %d bytes as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [7, '7 ms'],
  [100, '0.1 s'],
  [19_549, '19.5 s'],
  [59_949, '59.9 s'],
  [59_950, '1 min 0 s'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
])('shows %d ms as %s', (duration, text) => {
  expect(formatDuration(duration)).toBe(text)
})

test.each([
  [0, '00:00.0'],
  [19_899, '00:19.8'],
  [3_599_999, '59:59.9'],
  [3_723_400, '1:02:03'],
])('shows %d ms since the start as %s', (elapsed, text) => {
  expect(formatElapsed(elapsed)).toBe(text)
})

test('groups the thousands of a count', () => {
  expect(formatCount(41_812)).toBe('41,812')
})
