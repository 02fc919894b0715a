import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readProcess } from './process-facts.ts'

test('a process is seen to write and to work', ({ skip }) => {
  skip(!fs.existsSync('/proc/self/io'), 'procfs: there is no /proc/self/io')
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'berth-facts-')), 'file')
  onTestFinished(() => fs.rmSync(path.dirname(file), { recursive: true }))
  const before = readProcess(process.pid)
  fs.writeFileSync(file, Buffer.alloc(3_000_000))
  // By the processor's time, not the clock's: on a busy machine one says little of the other.
  for (const start = process.cpuUsage(); process.cpuUsage(start).user < 60_000;);
  const after = readProcess(process.pid)
  expect(after.writtenBytes - before.writtenBytes).toBeGreaterThanOrEqual(3_000_000)
  expect(after.writtenBytes - before.writtenBytes).toBeLessThan(3_200_000)
  expect(after.cpuSeconds - before.cpuSeconds).toBeGreaterThan(0.02)
})
