import * as path from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { takeCensus, type Entry } from './census.ts'
import { createContentMaker } from './content.ts'
import { planTree, type TreePlan } from './plan-tree.ts'

test('the whole tree has the census of a venv', () => {
  const census = takeCensus(listingOf(planTree(1)))
  expect(census).toMatchObject({ files: 51_167, directories: 9_510, links: 36 })
  expect(census.bytes / 1.16e9).toBeCloseTo(1, 1)
  // 84 % of the files, 12 % of the bytes.
  expect(census.smallFiles / census.files).toBeCloseTo(0.84, 1)
  expect(census.smallBytes / 143e6).toBeCloseTo(1, 1)
  expect(census.bigFiles).toBe(12)
  expect(census.bigBytes / 433e6).toBeCloseTo(1, 1)
  expect(Math.abs(census.mostInOne - 1133)).toBeLessThan(100)
})

test('sources are most of the files', () => {
  const { files } = planTree(1)
  const python = files.filter(({ path }) => /\.pyc?$/.test(path))
  expect(python.length / files.length).toBeGreaterThan(0.9)
})

test('a plan is the same each time, and another with another seed', () => {
  expect(planTree(0.02)).toEqual(planTree(0.02))
  expect(planTree(0.02, 2)).not.toEqual(planTree(0.02))
})

test('a part of the tree is small all over, with one file that is stored in segments', () => {
  const census = takeCensus(listingOf(planTree(0.02)))
  expect(census.files).toBeLessThan(1100)
  expect(census.bytes).toBeLessThan(40e6)
  expect(census.bigFiles).toBe(1)
})

test.each([1, 0.02])('a plan at scale %d has no path twice, and parents first', (scale) => {
  const { directories, files, links } = planTree(scale)
  const paths = [...directories, ...[...files, ...links].map((entry) => entry.path)]
  expect(new Set(paths).size).toBe(paths.length)
  const seen = new Set<string>(['.'])
  const orphans = paths.filter((name) => {
    seen.add(name)
    return !seen.has(path.posix.dirname(name))
  })
  expect(orphans).toEqual([])
})

test.each([
  ['text', 5, 7],
  ['binary', 3, 4.5],
] as const)('%s is compressible like real code: %d to %d times', (kind, least, most) => {
  const maker = createContentMaker()
  const files = Array.from({ length: 800 }, () => {
    const content = Buffer.alloc(10_000)
    maker.fill(content, kind)
    return content
  })
  const params = { [constants.ZSTD_c_compressionLevel]: 3 }
  const ratio = (800 * 10_000) / zstdCompressSync(Buffer.concat(files), { params }).length
  expect(ratio).toBeGreaterThan(least)
  expect(ratio).toBeLessThan(most)
})

function listingOf({ directories, files, links }: TreePlan): Map<string, Entry> {
  const rest = { mode: 0, modified: 0 }
  return new Map<string, Entry>([
    ...directories.map((path) => [path, { type: 'directory', size: 0, ...rest }] as const),
    ...files.map(({ path, size }) => [path, { type: 'file', size, ...rest }] as const),
    ...links.map(({ path }) => [path, { type: 'link', size: 0, ...rest }] as const),
  ])
}
