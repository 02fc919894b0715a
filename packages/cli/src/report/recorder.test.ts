import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BerthEvent } from '@berth/core'
import { expect, onTestFinished, test } from 'vitest'
import { readRecord, recordFile } from './record-file.ts'
import type { RecordLine } from './record-line.ts'
import { Recorder } from './recorder.ts'

function stateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'berth-record-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function output(text: string, step = 'loud'): BerthEvent {
  return { type: 'step:log', step, level: 'output', text, time: Date.now() }
}

const texts = (lines: readonly RecordLine[] | undefined): string[] =>
  (lines ?? []).flatMap((line) => (line.type === 'step:log' ? [line.text] : []))

test('writes what it is told, between a first and a last line of its own', async () => {
  const directory = stateDirectory()
  const recorder = Recorder.begin(directory, 'recipe.yaml')
  recorder.report(output('one'))
  await recorder.close(7)
  const lines = await readRecord(directory)
  expect(lines).toMatchObject([
    { type: 'record:start', version: 1, file: 'recipe.yaml', pid: process.pid },
    { type: 'step:log', text: 'one' },
    { type: 'record:end', code: 7 },
  ])
  expect(statSync(recordFile(directory)).mode & 0o777).toBe(0o600)
})

test('writes by itself soon after an event, before it is closed', async () => {
  const directory = stateDirectory()
  const recorder = Recorder.begin(directory, 'recipe.yaml')
  recorder.report(output('one'))
  const until = Date.now() + 10_000
  while (texts(await readRecord(directory)).length === 0 && Date.now() < until) await sleep(20)
  expect(texts(await readRecord(directory))).toEqual(['one'])
  await recorder.close(0)
})

test('keeps the last five boots, each in its own file', async () => {
  const directory = stateDirectory()
  for (let boot = 1; boot <= 7; boot += 1) {
    const recorder = Recorder.begin(directory, `recipe-${boot}.yaml`)
    await recorder.close(0)
  }
  expect(readdirSync(directory).toSorted()).toEqual([
    'events.1.jsonl',
    'events.2.jsonl',
    'events.3.jsonl',
    'events.4.jsonl',
    'events.jsonl',
  ])
  expect(await readRecord(directory, 0)).toMatchObject([{ file: 'recipe-7.yaml' }, {}])
  expect(await readRecord(directory, 4)).toMatchObject([{ file: 'recipe-3.yaml' }, {}])
})

test('stays small, with the first and the last of what a chatty step said, and all that other steps said', async () => {
  const directory = stateDirectory()
  const mostBytes = 100_000
  const recorder = Recorder.begin(directory, 'recipe.yaml', mostBytes)
  recorder.report(output('a word', 'quiet'))
  for (let round = 0; round < 40; round += 1) {
    for (let line = 0; line < 1500; line += 1)
      recorder.report(output(`line ${round * 1500 + line}`))
    if (round % 4 === 0) await sleep(1)
  }
  recorder.report(output('another word', 'quiet'))
  await recorder.close(0)
  const lines = await readRecord(directory)
  const said = texts(lines)
  expect(statSync(recordFile(directory)).size).toBeLessThan(3 * mostBytes)
  expect(said.filter((text) => text.endsWith('word'))).toEqual(['a word', 'another word'])
  expect(said).toContain('line 59999')
  const leftOut = (lines ?? []).reduce(
    (sum, line) => sum + (line.type === 'record:left-out' ? (line.lines ?? 0) : 0),
    0,
  )
  expect(leftOut + said.length).toBe(60_002)
})

test('closes a line that a kill cut off, and goes on behind it', async () => {
  const directory = stateDirectory()
  await Recorder.begin(directory, 'recipe.yaml').close(undefined)
  const whole = readFileSync(recordFile(directory), 'utf8')
  writeFileSync(recordFile(directory), `${whole}{"type":"step:log","ti`)
  const recorder = await Recorder.resume(directory, {
    mainLives: false,
    supervisor: undefined,
    isLast: true,
  })
  recorder?.report(output('after'))
  await recorder?.close(1)
  expect(await readRecord(directory)).toMatchObject([
    { type: 'record:start' },
    { type: 'record:take-over' },
    { type: 'step:log', text: 'after' },
    { type: 'record:end', code: 1 },
  ])
})

test('goes on with the record of the life that is ended, though a later boot was refused', async () => {
  const directory = stateDirectory()
  await Recorder.begin(directory, 'good.yaml').close(undefined)
  const [start] = (await readRecord(directory)) ?? []
  await Recorder.begin(directory, 'bad.yaml').close(2)
  // Both are of this process: the later one is told apart as another's.
  const later = readFileSync(recordFile(directory), 'utf8').replace(/"pid":\d+/, '"pid":1')
  writeFileSync(recordFile(directory), later)
  const { pid, startTime } = start?.type === 'record:start' ? start : { pid: 0, startTime: '' }
  const mainLives = false
  const recorder = await Recorder.resume(directory, {
    mainLives,
    supervisor: { pid, startTime },
    isLast: true,
  })
  await recorder?.close(0)
  expect(await readRecord(directory, 1)).toMatchObject([
    { type: 'record:start', file: 'good.yaml' },
    { type: 'record:take-over' },
    { type: 'record:end', code: 0 },
  ])
  expect(await readRecord(directory)).toMatchObject([{ file: 'bad.yaml' }, { code: 2 }])
})

test('costs the boot nothing where it can’t write', async () => {
  const recorder = Recorder.begin('/proc/no-such-directory', 'recipe.yaml')
  recorder.report(output('lost'))
  await recorder.close(0)
  expect(await readRecord('/proc/no-such-directory')).toBeUndefined()
})

test('cuts a very long line, and records a bar at most once a second but at its end', async () => {
  const directory = stateDirectory()
  const recorder = Recorder.begin(directory, 'recipe.yaml')
  recorder.report(output('x'.repeat(100_000)))
  const time = Date.now()
  for (let done = 1; done <= 100; done += 1) {
    const progress = { done, total: 100, unit: 'files' as const }
    recorder.report({ type: 'step:progress', step: 'venv', progress, time: time + done })
  }
  await recorder.close(0)
  const lines = (await readRecord(directory)) ?? []
  expect(texts(lines)[0]?.length).toBe(2001)
  const bars = lines.flatMap((line) => (line.type === 'step:progress' ? [line.progress.done] : []))
  expect(bars).toEqual([1, 100])
})
