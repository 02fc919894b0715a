import { expect, test } from 'vitest'
import { creationList } from './floor.ts'
import { computeFloor, linkSeconds } from './floor-terms.ts'
import type { Series } from './run.ts'
import type { Entry } from './trees/census.ts'

test('processors that have to decode and create bind before either alone', () => {
  const floor = computeFloor({
    cores: 4,
    restores: [
      series('fetch-8', { wallSeconds: 0.3, cpuSeconds: 0.4, serverCpuSeconds: 0.4 }),
      series('decode-4', { wallSeconds: 0.4, cpuSeconds: 1.5 }),
      series('create-4', { wallSeconds: 0.5, cpuSeconds: 1.9 }),
    ],
  })
  expect(floor).toMatchObject({ binds: 'decode + create on all processors' })
  expect(floor?.seconds).toBeCloseTo(0.85)
  expect(floor?.withFetchSeconds).toBeCloseTo(1.05)
})

test('a slow network binds', () => {
  const floor = computeFloor({
    cores: 4,
    restores: [
      series('fetch-8', { wallSeconds: 9 }),
      series('fetch-32', { wallSeconds: 7 }),
      series('decode-4', { wallSeconds: 0.4, cpuSeconds: 1.5 }),
      series('create-4', { wallSeconds: 0.5, cpuSeconds: 1.9 }),
    ],
  })
  expect(floor).toMatchObject({ binds: 'fetch', seconds: 7, fetch: { name: 'fetch-32' } })
})

test('without one of its parts there is no floor', () => {
  expect(computeFloor({ cores: 4, restores: [series('fetch-8', {})] })).toBeUndefined()
})

test('a link costs its round trips and its rate', () => {
  expect(linkSeconds({ roundTripMs: 20, megabits: 1000 }, 250_000_000)).toBeCloseTo(2.06)
})

test('files are created with the long ones first, in directories that are there', () => {
  const file = { type: 'file', mode: 0o644, modified: 0 } as const
  const directory = { type: 'directory', size: 0, mode: 0o755, modified: 0 } as const
  const list = creationList(
    new Map<string, Entry>([
      ['z', directory],
      ['z/y', directory],
      ['a', directory],
      ['z/y/small', { ...file, size: 10 }],
      ['a/big', { ...file, size: 5_000_000 }],
      ['a/link', { type: 'link', size: 0, mode: 0o777, modified: 0 }],
      ['z/bigger', { ...file, size: 6_000_000 }],
    ]),
  )
  expect(list.trim().split('\n')).toEqual([
    'd 1 a',
    'd 1 z',
    'd 2 z/y',
    'f 6000000 z/bigger',
    'f 5000000 a/big',
    'f 10 z/y/small',
  ])
})

function series(name: string, sample: Partial<Series['samples'][number]>): Series {
  const nothing = { wallSeconds: 0, cpuSeconds: 0, peakBytes: 0, requests: 0, puts: 0, bytes: 0 }
  return {
    name,
    about: name,
    samples: [{ ...nothing, serverCpuSeconds: 0, othersCpuSeconds: 0, ...sample }],
    lost: [],
  }
}
