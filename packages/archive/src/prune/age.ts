import { BerthError } from '@berth/core/error'

/** How long something must have been of no use before a prune removes it, where nothing else is said. */
export const DEFAULT_GRACE_MS = 24 * 60 * 60 * 1000

// A save under way relies on what it saw a quarter of an hour ago (decision 7).
const LEAST_GRACE_MS = 60 * 60 * 1000

const AGE = /^(\d{1,6})([dhm])$/
const UNITS: Record<string, number> = { d: 24 * 60 * 60 * 1000, h: 60 * 60 * 1000, m: 60 * 1000 }

/** Reads how old something must be, such as `30d`, `36h` or `90m`, as milliseconds. Throws `archive/bad-age`. */
export function parseAge(text: string): number {
  const [, count = '', unit = ''] = AGE.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? 0)
  if (ms > 0) return ms
  throw new BerthError('archive/bad-age', `\`${text}\` is no age`, {
    hint: 'write it like `30d`, `36h` or `90m`',
  })
}

/** The same of the grace of a prune beside which others save. Throws `archive/short-grace` for less than an hour. */
export function parseGrace(text: string): number {
  const ms = parseAge(text)
  if (ms >= LEAST_GRACE_MS) return ms
  throw new BerthError('archive/short-grace', `\`${text}\` is less than an hour`, {
    hint: 'give `1h` or more: a save under way relies on what it saw when it began',
  })
}
