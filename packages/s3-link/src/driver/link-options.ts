import { BerthError, didYouMean, parseDuration } from '@berth/core'
import { legacyOptions } from './legacy-options.ts'
import { defaultWatchOptions, type WatchOptions } from './watch-options.ts'

/** How a bucket is mounted, in units that say what they are. */
export interface LinkOptions extends WatchOptions {
  retries: number
  connectTimeoutMs: number
  /** Of one request without progress. */
  readTimeoutMs: number
  partBytes: number
  /** Parts of one file that are sent at once. */
  parallel: number
  /** How many files' attributes are remembered, and for how long. */
  statCacheEntries: number
  statCacheMs: number
  umask: string
  uid: number | undefined
  gid: number | undefined
  /** Whether users other than the one who mounts may look inside. */
  allowOther: boolean
  /** rclone: how long a closed file waits before it is sent. */
  writeBackMs: number
  /** rclone: what the cache on the disk may hold of files that are in S3 already. */
  cacheBytes: number
  /** A daemon that hangs for so long, while the service answers, is ended. */
  endHungAfterMs: number
}

export interface ReadOptions {
  options: LinkOptions
  /** What an old name or value was taken for. */
  notes: string[]
}

export type OptionText = string | number | boolean

export const defaultOptions: LinkOptions = {
  retries: 5,
  connectTimeoutMs: 10_000,
  readTimeoutMs: 60_000,
  partBytes: 16 * 1024 ** 2,
  parallel: 4,
  statCacheEntries: 100_000,
  statCacheMs: 60_000,
  umask: '022',
  uid: undefined,
  gid: undefined,
  allowOther: false,
  writeBackMs: 2_000,
  cacheBytes: 20 * 1024 ** 3,
  endHungAfterMs: 300_000,
  ...defaultWatchOptions,
}

const mebi = 1024 ** 2

/** Each option by the name that a recipe uses: what it takes, and how it is read. */
const readers: Record<string, (text: string, name: string) => Partial<LinkOptions>> = {
  retries: (text, name) => ({ retries: integer(text, name, [1, 100]) }),
  'connect-timeout': (text, name) => ({ connectTimeoutMs: time(text, name) }),
  'read-timeout': (text, name) => ({ readTimeoutMs: time(text, name) }),
  'part-size': (text, name) => ({ partBytes: size(text, name, [5 * mebi, 5120 * mebi]) }),
  parallel: (text, name) => ({ parallel: integer(text, name, [1, 64]) }),
  'stat-cache-entries': (text, name) => ({
    statCacheEntries: integer(text, name, [0, 10_000_000]),
  }),
  'stat-cache': (text, name) => ({ statCacheMs: time(text, name) }),
  umask: (text, name) => ({ umask: umask(text, name) }),
  uid: (text, name) => ({ uid: integer(text, name, [0, 2 ** 32 - 2]) }),
  gid: (text, name) => ({ gid: integer(text, name, [0, 2 ** 32 - 2]) }),
  'allow-other': (text, name) => ({ allowOther: truth(text, name) }),
  'write-back': (text, name) => ({ writeBackMs: time(text, name) }),
  'cache-size': (text, name) => ({ cacheBytes: size(text, name, [mebi, 2 ** 50]) }),
  'end-hung-after': (text, name) => ({ endHungAfterMs: time(text, name) }),
  paused: (text, name) => ({ paused: truth(text, name) }),
  'evict-after': (text, name) => ({ evictAfterMs: time(text, name) }),
  'keep-newest': (text, name) => ({ keepNewest: integer(text, name, [1, 1_000_000]) }),
  'mirror-deletes-after': (text, name) => ({ mirrorDeletesAfterMs: time(text, name) }),
  bandwidth: (text, name) => ({ bytesPerSecond: size(text, name, [mebi / 16, 2 ** 50]) }),
  'files-at-once': (text, name) => ({ transfers: integer(text, name, [1, 64]) }),
}

/**
 * Reads a link's options. Names and values that old guides give are translated, with a note, or refused with the reason:
 * `s3-link/bad-option`.
 */
export function readOptions(given: Readonly<Record<string, OptionText>>): ReadOptions {
  const notes: string[] = []
  const seen = new Map<string, { key: string; meant: string }>()
  let options = defaultOptions
  for (const [key, value] of Object.entries(given)) {
    const text = String(value).trim()
    const { name, meant } = translated(key, text)
    const before = seen.get(name)
    // Of two names for one thing guides give both, with one value.
    if (before !== undefined && before.meant !== meant)
      throw badOption(key, `\`${before.key}\` says \`${before.meant}\``, 'keep one of them')
    seen.set(name, { key, meant })
    if (name !== key) notes.push(`took \`${key}=${text}\` for \`${name}: ${meant}\``)
    options = { ...options, ...readers[name]?.(meant, key) }
  }
  if (options.allowOther && /^0*$/.test(options.umask)) {
    throw badOption(
      'umask',
      `with \`allow-other\` the umask \`${options.umask}\` lets everyone read and write everything`,
      'use `umask: "022"`, or `"002"` with `gid`',
    )
  }
  return { options, notes }
}

function translated(key: string, text: string): { name: string; meant: string } {
  if (readers[key] !== undefined) return { name: key, meant: text }
  const bare = key.replace(/^--?/, '')
  const known = legacyOptions[bare] ?? legacyOptions[bare.replaceAll('-', '_')]
  if (typeof known === 'string') throw badOption(key, known)
  if (known !== undefined) return { name: known.name, meant: known.value(text) }
  if (readers[bare] !== undefined) return { name: bare, meant: text }
  throw badOption(key, 'it is unknown', didYouMean(key, Object.keys(readers)))
}

function integer(text: string, name: string, [least, most]: [number, number]): number {
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw badOption(name, `\`${text}\` is no number from ${least} to ${most}`)
}

function time(text: string, name: string): number {
  try {
    return parseDuration(text)
  } catch {
    throw badOption(name, `\`${text}\` is no duration`, 'write `10s` or `5m`')
  }
}

const units: Record<string, number> = { K: 1024, M: mebi, G: 1024 ** 3, T: 1024 ** 4 }

function size(text: string, name: string, [least, most]: [number, number]): number {
  const [, count = '', unit = ''] = /^(\d{1,7})\s*([KMGT])(?:i?B)?$/i.exec(text) ?? []
  if (count === '') {
    throw badOption(name, `\`${text}\` is no size with a unit`, 'write `16MiB` or `20GiB`')
  }
  const bytes = Number(count) * (units[unit.toUpperCase()] ?? 1)
  if (bytes >= least && bytes <= most) return bytes
  throw badOption(name, `\`${text}\` is not from ${least / mebi} MiB to ${most / mebi} MiB`)
}

function umask(text: string, name: string): string {
  if (/^0?[0-7]{3}$/.test(text)) return text.slice(-3)
  throw badOption(name, `\`${text}\` is no umask`, 'write it as text: `"022"`')
}

function truth(text: string, name: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  // As a flag on a command line.
  if (text === '') return true
  throw badOption(name, `\`${text}\` is neither true nor false`)
}

function badOption(name: string, why: string, hint?: string): BerthError {
  return new BerthError('s3-link/bad-option', `could not use the option \`${name}\`: ${why}`, {
    hint: hint ?? 'see the options of a mount in the README of s3-link',
  })
}
