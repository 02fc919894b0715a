import { expect, test } from 'vitest'
import type { HistoryLine } from './history.ts'
import { longTimeoutsWarning, slowShutdownWarning, type TimedStep } from './shutdown-forecast.ts'

function took(durationMs: number): HistoryLine {
  const rest = { result: 'ready', graceMs: 10_000, isHurried: false } as const
  return { kind: 'shutdown', time: 1, pod: 'p', recipe: 'r', durationMs, ...rest }
}

test('warns when the last shutdowns took longer than a SIGTERM leaves, or nearly so', () => {
  const pod = { recipe: 'r', graceMs: 10_000 }
  expect(slowShutdownWarning([], pod)).toBeUndefined()
  expect(slowShutdownWarning([took(8000)], pod)).toBeUndefined()
  expect(slowShutdownWarning([took(9400)], pod)).toContain('the last shutdown took up to 9.4 s')
  expect(slowShutdownWarning([took(42_000), took(100)], pod)).toBe(
    'the last 2 shutdowns took up to 42.0 s, and the grace of 10.0 s leaves 9.5 s: a SIGTERM will cut what is not saved by then; ' +
      'give more with `--grace`, and tell the platform, or save more often with `every:`',
  )
})

function step(id: string, seconds: number | undefined, more: Partial<TimedStep> = {}): TimedStep {
  const timeoutMs = seconds === undefined ? undefined : seconds * 1000
  return { id, needs: [], optional: false, timeoutMs, ...more }
}

test.each<[string, TimedStep[], string | undefined]>([
  ['nothing has a timeout', [step('a', undefined)], undefined],
  ['they fit', [step('a', 4), step('b', 5, { needs: ['a'] })], undefined],
  ['they run side by side', [step('a', 9), step('b', 9)], undefined],
  ['what is too long is optional', [step('a', 60, { optional: true })], undefined],
  ['one is too long', [step('a', 60)], '1 min 0 s'],
  ['together they are', [step('a', 6), step('b', 7, { needs: ['a'] })], '13.0 s'],
  [
    'with one between them that has none',
    [step('a', 6), step('b', undefined, { needs: ['a'] }), step('c', 6, { needs: ['b'] })],
    '12.0 s',
  ],
])('warns of timeouts that do not fit into the grace: %s', (_, steps, total) => {
  const warning = longTimeoutsWarning(steps, 10_000)
  if (total === undefined) expect(warning).toBeUndefined()
  else expect(warning).toContain(`add up to ${total}, and the grace of 10.0 s leaves 9.5 s`)
})
