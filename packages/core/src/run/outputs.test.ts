import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openJournal } from './journal.ts'
import { outputFile } from './outputs.ts'
import { temporaryDirectory } from '../testing.ts'

const record = (text: string) => ({ outputs: { text }, result: 'done' as const })

test('keeps what several writers record, and leaves no temporary file', async () => {
  const directory = join(await temporaryDirectory(), 'state')
  const [one, other] = [outputFile(directory), outputFile(directory)]
  expect(await one.read()).toEqual({})
  await Promise.all(['a', 'b', 'c'].map((id) => one.record('boot', id, record(id))))
  await other.record('boot', 'd', record('d'))
  await one.record('boot', 'a', record('again'))
  expect(await other.read()).toEqual({
    a: record('again'),
    b: record('b'),
    c: record('c'),
    d: record('d'),
  })
  expect(await readdir(directory)).toEqual(['steps.json'])
  expect((await stat(join(directory, 'steps.json'))).mode & 0o777).toBe(0o600)
})

test('shows a pipeline its own steps, and a shutdown those of the boot as well', async () => {
  const outputs = outputFile(await temporaryDirectory())
  for (const pipeline of ['boot', 'build', 'shutdown'] as const) {
    await outputs.record(pipeline, 'same', record(pipeline))
    await outputs.record(pipeline, pipeline, record(pipeline))
  }
  expect(Object.keys(await outputs.read('build'))).toEqual(['same', 'build'])
  expect(await outputs.read('shutdown')).toEqual({
    boot: record('boot'),
    same: record('shutdown'),
    shutdown: record('shutdown'),
  })
  await outputs.forget('boot', ['same', 'none'])
  expect(await outputs.read('boot')).toEqual({ boot: record('boot') })
})

test('counts a file that is not JSON as empty', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'steps.json'), '')
  expect(await outputFile(directory).read()).toEqual({})
})

test('says why the state cannot be written', async () => {
  const file = join(await temporaryDirectory(), 'file')
  await writeFile(file, '')
  const expected = {
    code: 'core/state-not-written',
    message: expect.stringContaining(`could not write ${file}/`),
  }
  await expect(
    outputFile(join(file, 'state')).record('boot', 'a', record('a')),
  ).rejects.toMatchObject(expected)
  const intent = { step: 'a', uses: 'lab/mount', pipeline: 'boot' as const, data: 'a' }
  await expect(openJournal(join(file, 'state')).intend(intent)).rejects.toMatchObject(expected)
})
