import { appendFile, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openJournal } from './journal.ts'
import { temporaryDirectory } from '../testing.ts'

const intent = (step: string, data: string) => ({
  step,
  uses: 'lab/mount',
  pipeline: 'boot' as const,
  data,
})

async function pendingData(stateDirectory: string): Promise<unknown[]> {
  const journal = openJournal(stateDirectory)
  const pending = await journal.pending()
  await journal.close()
  return pending.map(({ data }) => data)
}

test('gives what is pending, the last announced first, to another process', async () => {
  const directory = await temporaryDirectory()
  const journal = openJournal(directory)
  await Promise.all(['a', 'b', 'c'].map((data) => journal.intend(intent('step', data))))
  const [, b] = await journal.pending()
  await journal.undone(b ?? expect.fail('b is not pending'))
  await journal.close()
  expect(await pendingData(directory)).toEqual(['c', 'a'])
  expect(await pendingData(join(directory, 'none'))).toEqual([])
})

test('counts the same data of a step once, from its last announcement on', async () => {
  const directory = await temporaryDirectory()
  const journal = openJournal(directory)
  for (const data of ['a', 'b', 'a']) await journal.intend(intent('step', data))
  await journal.intend(intent('other', 'a'))
  await journal.close()
  expect(await pendingData(directory)).toEqual(['a', 'a', 'b'])
})

test('can be read by its owner only', async () => {
  const directory = await temporaryDirectory()
  const journal = openJournal(directory)
  await journal.intend(intent('step', 'a'))
  await journal.close()
  expect((await stat(join(directory, 'undo.jsonl'))).mode & 0o777).toBe(0o600)
})

test('survives a kill at any byte: whole lines count, a torn one does not, and the next is whole', async () => {
  const directory = await temporaryDirectory()
  const file = join(directory, 'undo.jsonl')
  const journal = openJournal(directory)
  for (const data of ['a', 'b']) await journal.intend(intent('step', data))
  await journal.close()
  const whole = await readFile(file)
  const firstEnd = whole.indexOf('\n')
  for (let length = 0; length <= whole.length; length++) {
    await writeFile(file, whole)
    await truncate(file, length)
    // A line is whole when only its line end is missing.
    const kept = length >= whole.length - 1 ? ['b', 'a'] : length >= firstEnd ? ['a'] : []
    const next = openJournal(directory)
    expect((await next.pending()).map(({ data }) => data)).toEqual(kept)
    await next.intend(intent('step', 'next'))
    await next.close()
    expect(await pendingData(directory)).toEqual(['next', ...kept])
  }
})

test('passes over what is not a line of it', async () => {
  const directory = await temporaryDirectory()
  const journal = openJournal(directory)
  await journal.intend(intent('step', 'a'))
  await journal.close()
  await appendFile(join(directory, 'undo.jsonl'), '\0\0\0\0\nnull\n17\n{"x":1}\n\n')
  expect(await pendingData(directory)).toEqual(['a'])
})
