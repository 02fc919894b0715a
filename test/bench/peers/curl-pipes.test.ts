import { expect, test } from 'vitest'
import type { Listing } from '../trees/census.ts'
import { splitTree } from './curl-pipes.ts'

const listing: Listing = new Map(
  Array.from({ length: 1000 }, (_, index) => [
    `file-${String(index).padStart(4, '0')}`,
    { type: 'file', size: index % 100 === 0 ? 5_000_000 : 100, mode: 0o644, modified: 0 },
  ]),
)

test('parts hold every entry once, in order', () => {
  const parts = splitTree(listing, 4)
  expect(parts.flat()).toEqual([...listing.keys()])
})

test('parts cost about the same', () => {
  const parts = splitTree(listing, 4)
  const counts = parts.map((names) => names.length)
  expect(Math.min(...counts)).toBeGreaterThan(150)
  expect(Math.max(...counts)).toBeLessThan(350)
})

test('a file of half the tree is one part’s own', () => {
  const uneven: Listing = new Map([
    ['a', { type: 'file', size: 10, mode: 0o644, modified: 0 }],
    ['b', { type: 'file', size: 1e9, mode: 0o644, modified: 0 }],
  ])
  expect(splitTree(uneven, 2).flat()).toEqual(['a', 'b'])
})
