import fc from 'fast-check'
import { expect, test } from 'vitest'
import { metricsText } from '../health/metrics.ts'
import { progressPage } from '../health/progress-page.ts'
import { makeReport } from './report.ts'
import { reportHtml } from './report-html.ts'
import { reportText } from './report-text.ts'
import { statusOf } from './status.ts'
import { statusText } from './status-text.ts'
import { lifeIn, LifeTeller, newLife } from './tell-life.ts'
import { dawn, mustLife, pipelineEvents, podLife, recordStart } from './testing.ts'
import type { RecordLine } from './record-line.ts'

test('tells of several lives in one record the last', () => {
  const life = mustLife([...podLife(100), { ...recordStart, time: dawn + 5_000_000 }])
  expect(life).toMatchObject({ startedAt: dawn + 5_000_000, signals: [], undo: [] })
  expect(life.boot).toBeUndefined()
  expect(lifeIn([])).toBeUndefined()
})

test('keeps deferred steps and rungs where they belong', () => {
  const listing = (id: string) => ({ id, name: id, optional: false, needs: [] })
  const start = { type: 'pipeline:start', pipeline: 'boot', recipe: 'r' } as const
  const counts = { done: 1, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }
  const rung = { step: 'copy', of: 'models', phase: 'run' } as const
  const life = mustLife([
    recordStart,
    { ...start, steps: [listing('models'), listing('app')], time: dawn },
    { type: 'step:start', ...rung, attempt: 1, time: dawn + 1 },
    { type: 'step:log', step: 'copy', of: 'models', level: 'output', text: 'hi', time: dawn + 2 },
    {
      type: 'pipeline:end',
      pipeline: 'boot',
      result: 'ready',
      durationMs: 5,
      counts,
      time: dawn + 5,
    },
    { type: 'main:start', command: ['app'], pid: 3, time: dawn + 6 },
    { ...start, deferred: true, steps: [listing('later')], time: dawn + 7 },
    { type: 'step:start', step: 'later', phase: 'run', attempt: 1, time: dawn + 8 },
  ])
  expect(life.boot?.steps.map(({ id, of, lastLine }) => [id, of, lastLine])).toEqual([
    ['models', undefined, undefined],
    ['copy', 'models', 'hi'],
    ['app', undefined, undefined],
  ])
  expect(life.boot).toMatchObject({ result: 'ready' })
  expect(life.deferred?.steps).toMatchObject([{ id: 'later', attempts: 1 }])
  expect(life.undo).toEqual([])
})

test('tells of the calls of `berth shutdown` as of signals', () => {
  const time = dawn + 1
  const asked = {
    type: 'shutdown:asked',
    reason: 'preStop',
    action: 'stopping main',
    time,
  } as const
  const life = mustLife([recordStart, asked])
  expect(life.signals).toEqual([
    { time, name: '`berth shutdown` (preStop)', action: 'stopping main' },
  ])
  expect(life.stopsSince).toBe(time)
})

test('tells a shutdown whose undo failed as failed, whichever of the two the record has first', () => {
  const shutdown = pipelineEvents('shutdown', { at: [0, 10], steps: [{ id: 'save', at: [1, 9] }] })
  const undo: RecordLine = {
    type: 'step:end',
    step: 'mount',
    phase: 'undo',
    result: 'failed',
    optional: false,
    durationMs: 5,
    time: dawn + 20,
  }
  const told = (lines: RecordLine[]) => mustLife([recordStart, ...lines]).shutdown?.result
  expect(told([...shutdown, undo])).toBe('failed')
  expect(told([...shutdown, { ...undo, optional: true }])).toBe('degraded')
  expect(told([...shutdown, { ...undo, result: 'done' }])).toBe('ready')
  const end: RecordLine = { type: 'record:end', code: 1, time: dawn + 30 }
  expect(told([...shutdown.slice(0, -1), end])).toBe('failed')
})

test('stays small, however long the life', () => {
  const teller = new LifeTeller(newLife('recipe.yaml', dawn))
  const error = { code: 'a/b', message: 'no' }
  for (let time = 0; time < 20_000; time += 1) {
    teller.hear({ type: 'note', level: 'warn', text: `warning ${time}`, time })
    teller.hear({ type: 'error', error, time })
    teller.hear({ type: 'signal', name: 'SIGHUP', action: 'passed on', time })
    teller.hear({ type: 'step:log', step: 'x', level: 'warn', text: 'x'.repeat(10_000), time })
  }
  expect(JSON.stringify(teller.life).length).toBeLessThan(100_000)
  expect(teller.life.warnings.at(-1)).toBe('warning 19999')
})

test('can be told, drawn and measured from whatever part of a record is left', () => {
  const takeOver = { type: 'record:take-over', mainLives: true, time: dawn + 1_199_500 } as const
  const whole = [...podLife(26_700), takeOver]
  fc.assert(
    fc.property(fc.shuffledSubarray(whole, { minLength: 1 }), fc.boolean(), (lines, isAlive) => {
      const life = mustLife(lines)
      const now = dawn + 2_000_000
      const report = makeReport(life, { isAlive, before: mustLife(whole), now })
      const status = statusOf(life, { isAlive, now })
      const texts = [
        reportText(report),
        reportHtml(report),
        statusText(status, now),
        metricsText(life, status),
        progressPage(life, status),
      ]
      for (const text of texts) expect(text).not.toMatch(/NaN|undefined|Infinity/)
    }),
    { numRuns: 200 },
  )
})
