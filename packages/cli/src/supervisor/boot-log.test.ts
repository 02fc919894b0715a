import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { bootLogFile, cutBootLog, lastOfBootLog, withBootLog } from './boot-log.ts'

const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('')

test('puts aside what was printed, the newest of it whole, while another still prints', async () => {
  const directory = await temporaryDirectory()
  const script = 'seq 1 5000; echo said >&2; read go; seq 5001 5010'
  const child = withBootLog(directory, (log) =>
    spawn('sh', ['-c', script], { stdio: ['pipe', log, 'pipe'] }),
  )
  await once(child.stderr ?? child, 'data')
  await cutBootLog(directory, 1000)
  expect(readFileSync(bootLogFile(directory), 'utf8')).toBe('')
  expect(readFileSync(bootLogFile(directory, true), 'utf8')).toBe(numbers(4801, 5000))
  child.stdin?.end('go\n')
  await once(child, 'exit')
  // A log of this size stays as it is.
  await cutBootLog(directory, 1000)
  expect(readFileSync(bootLogFile(directory), 'utf8')).toBe(numbers(5001, 5010))
  expect(lastOfBootLog(directory, 2)).toEqual(['5009', '5010'])
})

test('begins anew with each boot, and keeps the log of the one before', async () => {
  const directory = await temporaryDirectory()
  for (const text of ['first', 'second', 'third']) {
    withBootLog(directory, (log) => writeFileSync(log, text))
  }
  expect(readFileSync(bootLogFile(directory), 'utf8')).toBe('third')
  expect(readFileSync(bootLogFile(directory, true), 'utf8')).toBe('second')
})
