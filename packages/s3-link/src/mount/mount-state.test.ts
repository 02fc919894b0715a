import { expect, test } from 'vitest'
import { judgeMount, judgeSafety, limits, type Observation, restartDelayMs } from './mount-state.ts'

const well: Observation = {
  mounted: true,
  lateProbes: 0,
  lateMs: 0,
  endHungAfterMs: 300_000,
  server: 'answers',
  silentMs: 0,
  isOtherBucket: false,
  roomBytes: limits.roomBytes,
  neededBytes: limits.roomBytes,
  restarts: 0,
  spooled: 0,
}

test.each<[string, Partial<Observation>, ...string[]]>([
  ['all is well', {}, 'active', 'mount', 'keep'],
  ['files wait in a spool', { spooled: 2 }, 'draining', 'mount', 'keep'],
  ['the daemon is gone', { mounted: false }, 'broken', 'spool', 'start'],
  ['it goes again and again', { mounted: false, restarts: 5 }, 'crash-loop', 'spool', 'start'],
  ['one look was late', { lateProbes: 1 }, 'degraded', 'stay', 'keep'],
  ['three looks were late', { lateProbes: 3, lateMs: 9_000 }, 'hung', 'spool', 'keep'],
  ['it hangs for minutes', { lateProbes: 60, lateMs: 300_000 }, 'hung', 'spool', 'kill'],
  ['the server is silent', { server: 'silent', silentMs: 19_999 }, 'degraded', 'stay', 'keep'],
  ['for a while', { server: 'silent', silentMs: 20_000 }, 'spooling', 'spool', 'keep'],
  ['that is why it hangs', { server: 'silent', lateProbes: 3 }, 'spooling', 'spool', 'keep'],
  ['the key is refused', { server: 'refuses' }, 'refused', 'spool', 'keep'],
  ['it is another bucket', { isOtherBucket: true }, 'identity-mismatch', 'spool', 'keep'],
  ['the disk is full', { roomBytes: limits.roomBytes - 1 }, 'no-room', 'spool', 'keep'],
])('%s: %j is %s, links to the %s, the daemon: %s', (...[, seen, state, links, daemon]) => {
  expect(judgeMount({ ...well, ...seen })).toMatchObject({ state, links, daemon })
})

test('kills a daemon for nothing but a long hang while the service answers', () => {
  for (const server of ['answers', 'silent', 'refuses'] as const) {
    for (const lateProbes of [0, 1, 3, 100]) {
      for (const lateMs of [0, 299_999, 300_000]) {
        for (const roomBytes of [0, limits.roomBytes]) {
          const seen = { ...well, server, lateProbes, lateMs, roomBytes, silentMs: 10 ** 9 }
          const isKilled = judgeMount(seen).daemon === 'kill'
          expect(isKilled).toBe(server === 'answers' && lateProbes >= 3 && lateMs >= 300_000)
        }
      }
    }
  }
})

test('waits longer with each restart, and never all at the same time', () => {
  expect([1, 2, 3, 4, 5, 6].map((restarts) => restartDelayMs(restarts, 0.5))).toEqual([
    1_000, 2_000, 5_000, 15_000, 60_000, 300_000,
  ])
  expect(restartDelayMs(1, 0)).toBe(800)
  expect(restartDelayMs(1, 1)).toBe(1_200)
})

test('calls a pod safe to stop only when nothing waits and that is known', () => {
  const pending = { files: 0, bytes: 0, oldestAgeMs: 0, confidence: 'exact' as const, names: [] }
  expect(judgeSafety(pending, undefined)).toMatchObject({ safe: true, seconds: 0 })
  expect(judgeSafety({ ...pending, confidence: 'unknown' }, 5)).toMatchObject({ safe: false })
  expect(judgeSafety({ ...pending, files: 3, bytes: 1000 }, 25)).toEqual({
    safe: false,
    files: 3,
    bytes: 1000,
    seconds: 40,
  })
  expect(judgeSafety({ ...pending, files: 1, bytes: 1 }, undefined).seconds).toBeNull()
})
