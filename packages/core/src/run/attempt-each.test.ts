import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { attemptEach, type Attempts } from './attempt-each.ts'
import { BerthError } from '../error.ts'

function attempts<Result>(
  act: (item: number) => Promise<Result>,
  signal = new AbortController().signal,
): Attempts<number, Result> {
  return { atOnce: 2, signal, code: 'test/system', what: (item) => `could not do ${item}`, act }
}

test('answers in the order of the items, with at most so many under way', async () => {
  let now = 0
  let most = 0
  const act = async (item: number) => {
    most = Math.max(most, ++now)
    await sleep(20 - item * 5)
    now--
    return item * 10
  }
  expect(await attemptEach([1, 2, 3], attempts(act))).toEqual([10, 20, 30])
  expect(most).toBe(2)
  expect(await attemptEach([], attempts(act))).toEqual([])
})

test('makes a failure the item’s own result and goes on with the others', async () => {
  const refused = new BerthError('test/refused', 'could not do 1')
  const act = async (item: number) => {
    if (item === 1) throw refused
    if (item === 2) await readFile('/no/such/file')
    return item
  }
  const results = await attemptEach([1, 2, 3], attempts(act))
  expect(results).toEqual([refused, expect.any(BerthError), 3])
  expect(results[1]).toMatchObject({
    code: 'test/system',
    message: "could not do 2: ENOENT: no such file or directory, open '/no/such/file'",
  })
})

test('throws a bug, but only when those under way have ended', async () => {
  let ended = 0
  const act = async (item: number) => {
    if (item === 1) throw new TypeError('a bug')
    await sleep(20)
    ended++
  }
  await expect(attemptEach([1, 2], attempts(act))).rejects.toThrow('a bug')
  expect(ended).toBe(1)
})

test('begins nothing new after an abort and throws its reason', async () => {
  const controller = new AbortController()
  const begun: number[] = []
  const act = async (item: number) => {
    begun.push(item)
    controller.abort(new Error('stop'))
  }
  await expect(attemptEach([1, 2, 3], attempts(act, controller.signal))).rejects.toThrow('stop')
  expect(begun).toEqual([1])
})
