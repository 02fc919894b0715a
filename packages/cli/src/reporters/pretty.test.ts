import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import type { BerthEvent } from '@berth/core'
import { expect, test } from 'vitest'
import { openPrettyReporter } from './pretty.ts'

class Terminal extends Writable {
  readonly isTTY = true
  readonly columns = 72
  readonly rows = 10
  shown = ''

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.shown += chunk.toString()
    callback()
  }
}

test('shows a bar per running step, cut to the width, and nothing live while main runs', () => {
  const terminal = new Terminal()
  const reporter = openPrettyReporter(terminal as unknown as NodeJS.WriteStream)
  const now = Date.now()
  const report = (event: object): string => {
    terminal.shown = ''
    reporter.report({ time: now, ...event } as BerthEvent)
    return terminal.shown
  }
  const visible = (text: string | undefined): string => stripVTControlCharacters(text ?? '')
  report({
    type: 'pipeline:start',
    pipeline: 'boot',
    recipe: 'app',
    steps: [{ id: 'venv', name: 'venv', optional: false, needs: [] }],
  })
  report({ type: 'step:start', step: 'venv', phase: 'run', attempt: 1 })
  const progress = {
    done: 512 * 1024,
    total: 1024 * 1024,
    unit: 'bytes',
    label: 'a-rather-long-label-of-a-directory',
  }
  expect(report({ type: 'step:progress', step: 'venv', progress })).toBe('')
  const live = report({ type: 'step:log', step: 'venv', level: 'warn', text: 'a line' }).split('\n')
  expect(visible(live[0])).toMatch(/ venv {6}⚠ a line$/)
  expect(visible(live[1])).toMatch(/ venv {6}… ━{12}─{12} a-rather/)
  expect(visible(live[1]).length).toBeLessThan(72)
  const done = report({
    type: 'step:end',
    step: 'venv',
    phase: 'run',
    result: 'done',
    optional: false,
    durationMs: 5,
  })
  expect(done.startsWith('\u001B[1A\u001B[0J')).toBe(true)
  expect(visible(done)).toMatch(/✔ 5 ms\n$/)
  report({ type: 'main:start', command: ['app'], pid: 1 })
  const quiet = report({ type: 'step:start', step: 'venv', phase: 'run', attempt: 1 })
  expect(quiet.split('\n')).toHaveLength(2)
  reporter.close()
})
