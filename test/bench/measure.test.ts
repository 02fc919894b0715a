import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { measure } from './measure.ts'

const missing = spawnSync('cc', ['--version']).error?.message

test('a command costs the time of its slowest pipeline and the memory of all its programs', async ({
  skip,
}) => {
  skip(missing !== undefined, `cc: ${missing}`)
  const folder = makeFolder()
  const hold = ['dd', 'if=/dev/zero', 'bs=20000000', 'count=1', 'iflag=fullblock']
  const pipeline = [hold, [...hold.slice(0, 1), ...hold.slice(2), `of=${folder}/written`]]
  const command = [[['sleep', '0.3']], pipeline]
  const cost = await measure(command, { env: environment(), folder, processors: '' })
  expect(cost.wallSeconds).toBeGreaterThan(0.29)
  expect(cost.cpuSeconds).toBeGreaterThan(0)
  expect(cost.peakBytes).toBeGreaterThan(40_000_000)
  expect(fs.statSync(`${folder}/written`).size).toBe(20_000_000)
})

test('the memory of the process that starts it does not count', async ({ skip }) => {
  skip(missing !== undefined, `cc: ${missing}`)
  const cost = await measure([[['true']]], {
    env: environment(),
    folder: makeFolder(),
    processors: '',
  })
  expect(cost.peakBytes).toBeLessThan(16_000_000)
  expect(process.memoryUsage.rss()).toBeGreaterThan(32_000_000)
})

test('a program whose reader has had enough did not fail', async ({ skip }) => {
  skip(missing !== undefined, `cc: ${missing}`)
  const command = [[['yes'], ['head', '-n', '1']]]
  const cost = await measure(command, { env: environment(), folder: makeFolder(), processors: '' })
  expect(cost.wallSeconds).toBeLessThan(5)
})

test('a program that fails fails the whole, with its last words', async ({ skip }) => {
  skip(missing !== undefined, `cc: ${missing}`)
  const command = [[['true']], [['sh', '-c', 'echo no such tree >&2; exit 3'], ['cat']]]
  await expect(
    measure(command, { env: environment(), folder: makeFolder(), processors: '' }),
  ).rejects.toThrow(/no such tree/)
})

function environment(): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '' }
}

function makeFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-measure-'))
  onTestFinished(() => fs.rmSync(folder, { recursive: true }))
  return folder
}
