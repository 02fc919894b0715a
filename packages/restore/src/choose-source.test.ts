import { expect, test } from 'vitest'
import {
  chooseSource,
  type Existing,
  type PodState,
  type StoreState,
  type VolumeState,
} from './choose-source.ts'

const pods = {
  absent: { kind: 'absent' },
  empty: { kind: 'empty' },
  file: { kind: 'file' },
  complete: { kind: 'complete' },
  unrecorded: { kind: 'unrecorded' },
  'our link': { kind: 'our-link', target: '/volume/venv', dangling: false },
  'our dangling link': { kind: 'our-link', target: '/gone/venv', dangling: true },
  'foreign link': { kind: 'foreign-link', target: '/home/me/venv', dangling: false },
  'foreign dangling link': { kind: 'foreign-link', target: '/gone', dangling: true },
} satisfies Record<string, PodState>

const volumes = {
  none: { kind: 'none' },
  absent: { kind: 'absent', reason: 'not there' },
  empty: { kind: 'empty', reason: 'empty' },
  'half-made': { kind: 'half-made', reason: 'half-made' },
  ignored: { kind: 'ignored', reason: 'the same place' },
  unusable: { kind: 'unusable', reason: 'not writable' },
  'held, no generation': { kind: 'held', path: '/volume/venv' },
  'held, generation 3': { kind: 'held', path: '/volume/venv', generation: 3 },
} satisfies Record<string, VolumeState>

const stores: StoreState[] = ['none', 'unasked', 'unreachable', 2, 3, 4]
const existings: Existing[] = ['aside', 'keep', 'fail']

type PodName = keyof typeof pods
type VolumeName = keyof typeof volumes

function choiceOf(
  pod: PodName,
  volume: VolumeName,
  ...[store, existing]: [StoreState, Existing]
): string {
  return chooseSource({ pod: pods[pod], volume: volumes[volume], store, existing }).choice
}

/** What a place without anything of its own gets, written down as a table of its own. */
function expectedSource(volume: VolumeName, store: StoreState): 'link' | 'unpack' | 'nothing' {
  if (volume === 'held, no generation') return 'link'
  if (volume === 'held, generation 3') return store === 4 ? 'unpack' : 'link'
  return store === 'none' ? 'nothing' : 'unpack'
}

const everyCase = (Object.keys(volumes) as VolumeName[]).flatMap((volume) =>
  stores.flatMap((store) => existings.map((existing) => ({ volume, store, existing }))),
)

test.each(['absent', 'empty', 'our dangling link'] as const)(
  'a place that is %s takes the volume first, then the store, whatever `existing` says',
  (pod) => {
    for (const { volume, store, existing } of everyCase) {
      expect({ volume, store, choice: choiceOf(pod, volume, store, existing) }).toEqual({
        volume,
        store,
        choice: expectedSource(volume, store),
      })
    }
  },
)

test('a link of ours that works stays where nothing else is to be had', () => {
  for (const { volume, store, existing } of everyCase) {
    const source = expectedSource(volume, store)
    const expected = source === 'nothing' ? 'keep' : source
    expect(choiceOf('our link', volume, store, existing)).toBe(expected)
  }
})

test('a complete directory is kept whatever the volume and the store hold', () => {
  for (const { volume, store, existing } of everyCase) {
    expect(choiceOf('complete', volume, store, existing)).toBe('keep')
  }
})

test('a file is refused', () => {
  for (const { volume, store, existing } of everyCase) {
    expect(choiceOf('file', volume, store, existing)).toBe('refuse')
  }
})

test('a link that is not ours is never replaced', () => {
  for (const { volume, store, existing } of everyCase) {
    const expected = existing === 'fail' ? 'refuse' : 'keep'
    expect(choiceOf('foreign link', volume, store, existing)).toBe(expected)
    expect(choiceOf('foreign dangling link', volume, store, existing)).toBe('refuse')
  }
})

test('a directory without a record of ours makes way only for something, and only with `aside`', () => {
  for (const { volume, store, existing } of everyCase) {
    const source = expectedSource(volume, store)
    // `fail` leaves the refusal to unpacking, which alone knows whether the store has anything.
    const expected = {
      aside: source === 'nothing' ? 'keep' : source,
      keep: 'keep',
      fail: source === 'nothing' ? 'keep' : source === 'link' ? 'refuse' : 'unpack',
    }[existing]
    expect(choiceOf('unrecorded', volume, store, existing)).toBe(expected)
  }
})

test('the reason of an unpacking says which generation is behind which', () => {
  const { choice, reason } = chooseSource({
    pod: pods.absent,
    volume: volumes['held, generation 3'],
    store: 4,
    existing: 'aside',
  })
  expect({ choice, reason }).toEqual({
    choice: 'unpack',
    reason: 'the volume holds generation 3, the store 4',
  })
})
