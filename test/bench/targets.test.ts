import { expect, test } from 'vitest'
import type { Run, Series } from './run.ts'
import { judge } from './targets.ts'

const PIPES = 'restore against the best of N × (curl, zstd, tar)'

test('a restore is measured by the fastest number of pipes', () => {
  const run = makeRun([series('berth', 2), series('curl-4', 3), series('curl-8', 2.2)])
  expect(judge(run)).toContainEqual({
    measure: PIPES,
    target: '≥ 1.20 ×',
    found: '1.10 ×',
    hit: false,
    by: '8 % missing',
  })
})

test('a target that is reached says what is to spare', () => {
  const run = makeRun([series('berth', 1), series('curl-4', 1.8)])
  expect(judge(run)).toContainEqual(
    expect.objectContaining({ measure: PIPES, hit: true, by: '50 % to spare' }),
  )
})

test('what was not measured is not judged', () => {
  const judged = judge(makeRun([series('berth', 1)])).map(({ measure }) => measure)
  expect(judged).toEqual(['peak memory of a restore'])
})

test('with two processors less is asked against the single pipe', () => {
  const restores = [series('berth', 1), series('single-pipe', 2)]
  const against = (cores: number) =>
    judge({ ...makeRun(restores), cores }).find(({ measure }) => measure.includes('single pipe'))
  expect(against(2)).toMatchObject({ target: '≥ 1.80 ×', hit: true })
  expect(against(4)).toMatchObject({ target: '≥ 2.80 ×', hit: false })
})

test('the part of the floor is judged on loopback, the model over a link', () => {
  const parts = [series('fetch-8', 4), series('decode-4', 1), series('create-4', 1)]
  const local = makeRun([series('berth', 5), ...parts])
  const link = { roundTripMs: 20, megabits: 1000 }
  const linked = { ...local, arguments: { ...local.arguments, link } }
  expect(judge(local)).toContainEqual(
    expect.objectContaining({ measure: 'restore, part of the floor', found: '80 %', hit: true }),
  )
  // 60 ms and half a gigabyte at a gigabit.
  expect(judge(linked)).toContainEqual(
    expect.objectContaining({ target: '≤ 1.15 ×', found: '1.23 ×', hit: false }),
  )
})

test('one PUT of an unchanged tree is one too many', () => {
  const saves = [series('unchanged/berth', 0.1, { puts: 1 })]
  expect(judge({ ...makeRun([]), saves })).toContainEqual(
    expect.objectContaining({ target: '≤ 0', found: '1', hit: false, by: '1 too much' }),
  )
})

test('a changed file is judged by what goes beyond its bytes and the manifest', () => {
  const oneFile = { puts: 3, bytes: 500_000, manifestBytes: 330_000, changedBytes: 70_000 }
  const run = { ...makeRun([]), details: { oneFile, missing: [] } }
  expect(judge(run)).toEqual([expect.objectContaining({ found: '98 KiB', hit: false })])
})

function series(name: string, seconds: number, extra: { puts?: number } = {}): Series {
  const sample = { cpuSeconds: seconds, peakBytes: 1e8, requests: 1, puts: 0, bytes: 1 }
  const samples = [
    { wallSeconds: seconds, ...sample, serverCpuSeconds: 0, othersCpuSeconds: 0, ...extra },
  ]
  return { name, about: name, samples, lost: [] }
}

function makeRun(restores: Series[]): Run {
  const none = { files: 50_000, directories: 0, links: 0, bytes: 0, smallFiles: 0, smallBytes: 0 }
  const census = { ...none, bigFiles: 0, bigBytes: 0, mostInOne: 0 }
  return {
    date: '2026-01-01',
    arguments: { tree: 'venv', rounds: 1, target: 'ext4', link: undefined, cores: undefined },
    machine: { processor: '', cores: 4, memoryBytes: 0, kernel: '', work: '', load: 0 },
    versions: {},
    cores: 4,
    tree: { name: 'venv', census, storedBytes: 500_000_000, chunks: 1 },
    restores,
    saves: [],
    details: { missing: [] },
  }
}
