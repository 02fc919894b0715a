import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { outputFile } from './outputs.ts'
import { temporaryDirectory } from './testing.ts'

const record = (text: string) => ({ outputs: { text }, result: 'done' as const })

test('keeps what several writers record, and leaves no temporary file', async () => {
  const directory = join(await temporaryDirectory(), 'state')
  const [one, other] = [outputFile(directory), outputFile(directory)]
  expect(await one.read()).toEqual({})
  await Promise.all(['a', 'b', 'c'].map((id) => one.record(id, record(id))))
  await other.record('d', record('d'))
  await one.record('a', record('again'))
  expect(await other.read()).toEqual({
    a: record('again'),
    b: record('b'),
    c: record('c'),
    d: record('d'),
  })
  expect(await readdir(directory)).toEqual(['steps.json'])
  expect((await stat(join(directory, 'steps.json'))).mode & 0o777).toBe(0o600)
  await one.clear()
  expect(await other.read()).toEqual({})
})

test('counts a file that is not JSON as empty', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'steps.json'), '')
  expect(await outputFile(directory).read()).toEqual({})
})
