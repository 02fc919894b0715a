import { expect, test } from 'vitest'
import { type DatedSnapshot, type Retention, chooseForgotten } from './prune-retention.ts'

const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR
/** A Monday at noon. */
const NOW = Date.UTC(2026, 5, 1, 12)

/** A snapshot so many hours before now. */
function snapshot(name: string, hours: number, more: Partial<DatedSnapshot> = {}): DatedSnapshot {
  const modifiedAt = NOW - hours * HOUR
  const plain = { sibling: false, machines: '', contested: false, compacted: false }
  return { name, modifiedAt, ...plain, ...more }
}

function forgotten(snapshots: DatedSnapshot[], retention: Partial<Retention>): string[] {
  const none = { keepLast: 0, keepDaily: 0, keepWeekly: 0 }
  return chooseForgotten(snapshots, { ...none, ...retention }, NOW)
}

const days = [0, 1, 25, 26, 49, 73].map((hours, index) => snapshot(`${6 - index}`, hours))

test.each<[string, Partial<Retention>, string[]]>([
  ['the newest, whatever the numbers are', {}, ['5', '4', '3', '2', '1']],
  ['the last ones', { keepLast: 3 }, ['3', '2', '1']],
  ['the newest of each day', { keepDaily: 3 }, ['5', '3', '1']],
  ['the newest of each week, from Monday on', { keepWeekly: 2 }, ['5', '3', '2', '1']],
  ['what one of the rules keeps', { keepLast: 2, keepDaily: 2 }, ['3', '2', '1']],
])('keeps %s', (_, retention, expected) => {
  expect(forgotten(days, retention)).toEqual(expected)
})

test('counts days with saves, not days of the calendar', () => {
  const snapshots = [snapshot('3', 0), snapshot('2', 24 * 30), snapshot('1', 24 * 60)]
  expect(forgotten(snapshots, { keepDaily: 2 })).toEqual(['1'])
})

test('keeps the newest of each kind of machine', () => {
  const snapshots = ['b', 'b', 'a', 'a'].map((machines, index) =>
    snapshot(`${4 - index}`, index, { machines }),
  )
  expect(forgotten(snapshots, { keepLast: 1 })).toEqual(['3', '1'])
})

test('keeps a snapshot whose place another of its generation would take', () => {
  const snapshots = [snapshot('3', 0), snapshot('2', 1, { contested: true }), snapshot('1', 2)]
  expect(forgotten(snapshots, { keepLast: 1 })).toEqual(['1'])
})

test('counts a snapshot that was only compacted with the one whose files it holds, and keeps both', () => {
  const compacted = { compacted: true }
  const snapshots = [
    snapshot('6', 0),
    snapshot('5', 1, compacted),
    snapshot('4', 2, compacted),
    snapshot('3', 3),
    snapshot('2', 4, compacted),
    snapshot('1', 5),
  ]
  expect(forgotten(snapshots, { keepLast: 1 })).toEqual(['5', '4', '3', '2', '1'])
  expect(forgotten(snapshots, { keepLast: 2 })).toEqual(['2', '1'])
  expect(forgotten(snapshots, { keepLast: 9 })).toEqual([])
})

test('keeps siblings, until an age is given', () => {
  const sibling = { sibling: true }
  const snapshots = [snapshot('1', 0), snapshot('~a', 47, sibling), snapshot('~b', 49, sibling)]
  expect(forgotten(snapshots, {})).toEqual([])
  expect(forgotten(snapshots, { siblingsMs: 2 * DAY })).toEqual(['~b'])
})
