import { BerthError } from '../error.ts'

/** What a duration looks like, for JSON Schema: `500ms`, `30s`, `10m`, `1h30m`. */
export const durationPattern = '^(?=\\d)(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$'

// A longer delay overflows the 32 bits of Node's timers, which then fire at once.
const longestMs = 2 ** 31 - 1

const format = new RegExp(durationPattern)
const milliseconds = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/**
 * Reads a duration such as `500ms`, `30s`, `10m` or `1h30m` as milliseconds. Throws `recipe/bad-duration` for anything else: a
 * number without a unit, zero, and what is longer than 24 days.
 */
export function parseDuration(text: string): number {
  const fault = durationFault(text)
  if (fault) {
    throw new BerthError('recipe/bad-duration', fault.message, { hint: fault.hint })
  }
  return durationMs(text)
}

/** Why a value is no duration, and the cure; `undefined` for one that is. */
export function durationFault(value: unknown): { message: string; hint: string } | undefined {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value))) {
    return { message: `the duration ${value} has no unit`, hint: `did you mean \`${value}s\`?` }
  }
  const example = 'write it like `500ms`, `30s`, `10m` or `1h30m`'
  if (typeof value !== 'string') {
    return { message: 'a duration must be text', hint: example }
  }
  if (!format.test(value)) {
    return { message: `\`${value}\` is not a duration`, hint: example }
  }
  const ms = durationMs(value)
  if (ms < 1) {
    return { message: `the duration \`${value}\` is zero`, hint: 'give it at least `1ms`' }
  }
  if (ms > longestMs) {
    return { message: `the duration \`${value}\` is too long`, hint: 'give it at most `596h`' }
  }
  return undefined
}

/** The milliseconds of a text that is a duration. */
export function durationMs(text: string): number {
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|[hms])/g)) {
    total += Number(amount) * milliseconds[unit as keyof typeof milliseconds]
  }
  return total
}
