import { expect, test } from 'vitest'
import { addResults, forbiddenSkips, summaryLine } from './results.ts'

const python = { title: 'a venv comes back', reason: 'python: python3 is not installed' }
const nameless = { title: 'a mount is seen', reason: 'no reason given' }

test.each([
  [undefined, []],
  ['', []],
  ['s3,strace', [nameless]],
  ['s3, python', [python, nameless]],
  ['all', [python, nameless]],
])('with BERTH_TEST_REQUIRE=%s the forbidden skips are %j', (required, expected) => {
  expect(forbiddenSkips([python, nameless], required)).toEqual(expected)
})

test('the summary names skips only when there are any', () => {
  const none = { passed: 2, failed: 0, skipped: [], failures: [] }
  expect(summaryLine(none)).toBe('2 passed, 0 failed')
  expect(
    summaryLine(addResults([none, { ...none, passed: 1, failed: 1, skipped: [python] }])),
  ).toBe('3 passed, 1 failed, 1 skipped')
})
