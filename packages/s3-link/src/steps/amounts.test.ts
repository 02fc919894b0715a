import { expect, test } from 'vitest'
import { amountText, roughTime } from './amounts.ts'

test.each([
  [0, 0, '0 files, 0 B'],
  [1, 4, '1 file, 4 B'],
  [3, 1_288_490_188, '3 files, 1.2 GiB'],
  [312, 1024, '312 files, 1.0 KiB'],
  [2, 1_048_575, '2 files, 1.0 MiB'],
])('says %i files with %i bytes as %s', (files, bytes, text) => {
  expect(amountText({ files, bytes })).toBe(text)
})

test.each([
  [0.2, '1 s'],
  [40, '40 s'],
  [119, '119 s'],
  [600, '10 min'],
])('says %d seconds as %s', (seconds, text) => {
  expect(roughTime(seconds)).toBe(text)
})
