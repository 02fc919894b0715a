import { expect, test } from 'vitest'
import type { RecordLine } from './record-line.ts'
import { thinRecord } from './thin-record.ts'

const ample = 10_000_000

function said(step: string, count: number): RecordLine[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'step:log',
    step,
    level: 'output',
    text: `${step} ${index}`,
    time: index,
  }))
}

function round(time: number, result: 'ready' | 'failed' = 'ready'): RecordLine[] {
  const counts = { done: 0, unchanged: 1, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }
  const [pipeline, periodic] = ['shutdown', true] as const
  const steps = [{ id: 'save', name: 'save', optional: false, needs: [] }]
  return [
    { type: 'pipeline:start', pipeline, recipe: 'r', steps, periodic, time },
    { type: 'step:start', step: 'save', phase: 'run', attempt: 1, time },
    { type: 'pipeline:end', pipeline, result, durationMs: 1, counts, periodic, time },
  ]
}

test('keeps a short record word for word', () => {
  const lines = [...said('one', 500), ...said('two', 500), ...round(1)]
  expect(thinRecord(lines, ample)).toEqual(lines)
})

test('leaves out the middle of what a step said, counts it, and adds to the count the next time', () => {
  const once = thinRecord(said('loud', 1000), ample)
  expect(once).toHaveLength(501)
  expect(once[99]).toMatchObject({ text: 'loud 99' })
  expect(once[100]).toMatchObject({ type: 'record:left-out', step: 'loud', lines: 500 })
  expect(once[101]).toMatchObject({ text: 'loud 600' })
  const twice = thinRecord([...once, ...said('loud', 100)], ample)
  expect(twice).toHaveLength(501)
  expect(twice[100]).toMatchObject({ type: 'record:left-out', lines: 600 })
})

test('keeps fewer lines where many steps are chatty', () => {
  const lines = Array.from({ length: 40 }, (_, step) => said(`step-${step}`, 500)).flat()
  const thinned = thinRecord(lines, 200_000)
  expect(JSON.stringify(thinned).length).toBeLessThan(210_000)
  for (let step = 0; step < 40; step += 1) {
    expect(thinned).toContainEqual(expect.objectContaining({ text: `step-${step} 499` }))
  }
})

test('keeps a warning that chatter would have buried', () => {
  const warning: RecordLine = {
    type: 'step:log',
    step: 'a',
    level: 'warn',
    text: 'mind',
    time: 500,
  }
  const lines = [...said('a', 500), warning, ...said('a', 5000)]
  expect(thinRecord(lines, ample)).toContainEqual(warning)
})

test('keeps the last state of each bar', () => {
  const bars = [1, 2, 3].map((done): RecordLine => {
    const progress = { done, unit: 'files' as const, label: 'venv' }
    return { type: 'step:progress', step: 'a', progress, time: done }
  })
  expect(thinRecord(bars, ample)).toEqual([bars[2]])
})

test('keeps the latest twenty rounds and counts the others', () => {
  const rounds = Array.from({ length: 100 }, (_, index) =>
    round(index, index % 10 === 0 ? 'failed' : 'ready'),
  ).flat()
  const thinned = thinRecord(rounds, ample)
  expect(thinned).toHaveLength(61)
  expect(thinned[0]).toMatchObject({ rounds: { count: 80, failed: 8 } })
  const again = thinRecord([...thinned, ...round(100)], ample)
  expect(again).toHaveLength(61)
  expect(again[0]).toMatchObject({ rounds: { count: 81 } })
})
