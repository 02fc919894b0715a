import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import {
  addHistory,
  failedBoots,
  type HistoryLine,
  historyPlace,
  readHistory,
  slowestShutdown,
} from './history.ts'

function boot(result: 'ready' | 'failed', time: number, pod = 'mine'): HistoryLine {
  return { kind: 'boot', time, pod, recipe: 'r', result, durationMs: 1 }
}

function shutdown(durationMs: number, recipe = 'r'): HistoryLine {
  const rest = { result: 'ready', graceMs: 10_000, isHurried: true } as const
  return { kind: 'shutdown', time: 1, pod: 'mine', recipe, durationMs, ...rest }
}

test('keeps the history where it was told to, else on the pod volume, else with the state', async () => {
  const directory = await temporaryDirectory()
  expect(await historyPlace({}, '/state')).toEqual({ file: '/state/lives.jsonl', isLasting: false })
  const missing = { NETWORK_VOLUME: join(directory, 'missing') }
  expect(await historyPlace(missing, '/state')).toEqual({
    file: '/state/lives.jsonl',
    isLasting: false,
  })
  expect(await historyPlace({ NETWORK_VOLUME: directory }, '/state')).toEqual({
    file: join(directory, '.berth/lives.jsonl'),
    isLasting: true,
  })
  const told = { NETWORK_VOLUME: directory, BERTH_HISTORY_DIR: '/history' }
  expect((await historyPlace(told, '/state')).file).toBe('/history/lives.jsonl')
})

test('gives back what was added, behind a line that was torn too', async () => {
  const file = join(await temporaryDirectory(), 'new', 'lives.jsonl')
  expect(await readHistory(file)).toEqual([])
  await addHistory(file, boot('ready', 1))
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"kind":"bo`)
  await addHistory(file, boot('failed', 2))
  expect(await readHistory(file)).toEqual([boot('ready', 1), boot('failed', 2)])
})

test('forgets the older half when it grows', async () => {
  const directory = await temporaryDirectory()
  mkdirSync(join(directory, 'x'))
  const file = join(directory, 'x', 'lives.jsonl')
  const lines = Array.from({ length: 800 }, (_, index) => boot('ready', index))
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'))
  await addHistory(file, boot('failed', 9999))
  const kept = await readHistory(file)
  expect(kept.length).toBeLessThan(420)
  expect(kept.at(-1)).toEqual(boot('failed', 9999))
  expect(kept.at(-2)).toEqual(boot('ready', 799))
})

test.each<[string, HistoryLine[], number]>([
  ['nothing is known', [], 0],
  ['all failed', [boot('failed', 50), boot('failed', 60), boot('failed', 70)], 3],
  ['one was before', [boot('failed', 10), boot('failed', 60)], 1],
  ['one went well since', [boot('failed', 60), boot('ready', 65), boot('failed', 70)], 1],
  ['the last went well', [boot('failed', 60), boot('ready', 65)], 0],
  ['another pod’s failed', [boot('failed', 60, 'other'), boot('failed', 70)], 1],
])('counts the failed boots of a pod: %s', (_, lines, count) => {
  expect(failedBoots(lines, 'mine', 50)).toBe(count)
})

test('knows the slowest of a recipe’s last ten shutdowns', () => {
  expect(slowestShutdown([boot('ready', 1), shutdown(9, 'other')], 'r')).toBeUndefined()
  expect(slowestShutdown([shutdown(5), shutdown(7), shutdown(6)], 'r')).toEqual({
    durationMs: 7,
    of: 3,
  })
  const older = [shutdown(99), ...Array.from({ length: 10 }, () => shutdown(3))]
  expect(slowestShutdown(older, 'r')).toEqual({ durationMs: 3, of: 10 })
})
