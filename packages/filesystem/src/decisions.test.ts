import { expect, test } from 'vitest'
import type { PlaceDecision, PlaceFacts } from './decisions.ts'
import { mayReplaceDirectory, mayStealLease } from './decisions.ts'

const kinds = ['absent', 'link', 'directory', 'file'] as const
const answers = [true, false]
const policies = ['aside', 'keep', 'fail', undefined] as const

const every: PlaceFacts[] = kinds.flatMap((kind) =>
  answers.flatMap((linkIsOurs) =>
    answers.flatMap((recordIsOurs) =>
      answers.flatMap((empty) =>
        policies.map(
          (existing) => ({ kind, linkIsOurs, recordIsOurs, empty, existing }) as PlaceFacts,
        ),
      ),
    ),
  ),
)

/** The rules once more, as a table: the first row that fits decides. `*` fits everything. */
const rows: [
  kind: string,
  link: string,
  record: string,
  empty: string,
  existing: string,
  PlaceDecision,
][] = [
  ['absent', '*', '*', '*', '*', 'create'],
  ['link', 'true', '*', '*', '*', 'replace'],
  ['link', 'false', '*', '*', '*', 'refuse'],
  ['directory', '*', '*', 'true', '*', 'replace'],
  ['directory', '*', 'true', 'false', '*', 'keep'],
  ['directory', '*', 'false', 'false', 'aside', 'aside'],
  ['directory', '*', 'false', 'false', 'undefined', 'aside'],
  ['directory', '*', 'false', 'false', 'keep', 'keep'],
  ['directory', '*', 'false', 'false', 'fail', 'refuse'],
  ['file', '*', '*', '*', 'aside', 'aside'],
  ['file', '*', '*', '*', 'undefined', 'aside'],
  ['file', '*', '*', '*', 'keep', 'keep'],
  ['file', '*', '*', '*', 'fail', 'refuse'],
]

test('decides each of the 128 cases as the table says', () => {
  expect(every).toHaveLength(128)
  for (const facts of every) {
    const values = [
      facts.kind,
      facts.linkIsOurs,
      facts.recordIsOurs,
      facts.empty,
      facts.existing,
    ].map(String)
    const row = rows.find((cells) =>
      values.every((value, index) => [value, '*'].includes(cells[index] ?? '')),
    )
    expect([facts, mayReplaceDirectory(facts)]).toEqual([facts, row?.[5]])
  }
})

test('never replaces a file, or a directory that holds something', () => {
  const full = every.filter(
    ({ kind, empty }) => kind === 'file' || (kind === 'directory' && !empty),
  )
  expect(full.map(mayReplaceDirectory)).not.toContain('replace')
})

test.each([
  { nowMs: 999, ageMs: 5000, may: false, why: 'it is not over' },
  { nowMs: 1500, ageMs: 5000, may: false, why: 'it is over for less than a term' },
  { nowMs: 1600, ageMs: 5000, may: false, why: 'it is over for exactly a term' },
  { nowMs: 1601, ageMs: 5000, may: true, why: 'it is over for more than a term' },
  { nowMs: 9999, ageMs: 1200, may: false, why: 'the file is young, so one of the clocks is wrong' },
  { nowMs: 9999, ageMs: 1201, may: true, why: 'both clocks say so' },
  { nowMs: 9999, ageMs: -50, may: false, why: 'the file is from the future' },
])('may steal a lease: $may, because $why', ({ nowMs, ageMs, may }) => {
  expect(mayStealLease({ nowMs, ageMs, expiresAtMs: 1000, ttlMs: 600 })).toBe(may)
})
