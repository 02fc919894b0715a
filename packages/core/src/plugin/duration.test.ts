import { expect, test } from 'vitest'
import { z } from 'zod'
import { duration } from './duration.ts'
import { durationPattern, parseDuration } from './parse-duration.ts'

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['1h1m1s1ms', 3_661_001],
  ['596h', 2_145_600_000],
])('reads %s as %i milliseconds', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
  expect(text).toMatch(new RegExp(durationPattern))
})

test.each([
  ['30', 'the duration 30 has no unit', 'did you mean `30s`?'],
  ['1m1h', '`1m1h` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['1.5s', '`1.5s` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['10 s', '`10 s` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['-1s', '`-1s` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['1S', '`1S` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['', '`` is not a duration', 'write it like `500ms`, `30s`, `10m` or `1h30m`'],
  ['0m', 'the duration `0m` is zero', 'give it at least `1ms`'],
  ['597h', 'the duration `597h` is too long', 'give it at most `596h`'],
])('refuses `%s`', (text, message, hint) => {
  expect(() => parseDuration(text)).toThrow(
    expect.objectContaining({ code: 'recipe/bad-duration', message, hint }),
  )
})

test('an input of this type takes text and gives milliseconds', () => {
  const inputs = z.strictObject({ wait: duration().optional() })
  expect(inputs.parse({ wait: '2s' })).toEqual({ wait: 2000 })
  expect(inputs.parse({})).toEqual({})
  expect(inputs.safeParse({ wait: 2 }).error?.issues).toMatchObject([
    {
      path: ['wait'],
      message: 'the duration 2 has no unit',
      params: { hint: 'did you mean `2s`?' },
    },
  ])
})
