import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

const script = `
const { catchSignals } = await import(${JSON.stringify(new URL('signals.ts', import.meta.url))})
const signals = catchSignals()
const asked = new Promise((resolve) => process.stdin.once('data', resolve))
console.log('ready')
await asked
await new Promise((resolve) => setTimeout(resolve, 300))
const busyFrom = Date.now()
console.log('busy')
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)
signals.listen(({ at }) => {
  console.log(String(at - busyFrom))
  process.exit(0)
}, new Promise(() => {}))
`

test('takes a signal that came while nothing could be heard to have come before that', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    if (line === 'ready') child.stdin.write('go\n')
    if (line === 'busy') child.kill('SIGTERM')
  })
  await once(child, 'close')
  expect(lines.slice(0, 2)).toEqual(['ready', 'busy'])
  expect(Number(lines[2])).toBeLessThanOrEqual(0)
})
