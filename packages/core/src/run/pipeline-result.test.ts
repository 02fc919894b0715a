import { expect, test } from 'vitest'
import type { PipelineResult, StepResult } from '../event.ts'
import { pipelineResult } from './pipeline-result.ts'

const results: StepResult[] = ['done', 'unchanged', 'skipped', 'failed', 'timeout', 'cancelled']

function outcome(critical: StepResult, optional: StepResult, isCancelled: boolean): PipelineResult {
  const steps = [
    { id: 'critical', optional: false },
    { id: 'optional', optional: true },
  ]
  const ends = new Map([
    ['critical', { result: critical }],
    ['optional', { result: optional }],
  ])
  return pipelineResult(steps, ends, isCancelled)
}

test('makes a result of every pair of ends', () => {
  const table = results.map((critical) =>
    [critical, ...results.map((optional) => outcome(critical, optional, false))].join(' '),
  )
  expect(table).toMatchInlineSnapshot(`
    [
      "done ready ready ready degraded degraded degraded",
      "unchanged ready ready ready degraded degraded degraded",
      "skipped ready ready ready degraded degraded degraded",
      "failed failed failed failed failed failed failed",
      "timeout failed failed failed failed failed failed",
      "cancelled failed failed failed failed failed failed",
    ]
  `)
  const cancelled = results.map((critical) =>
    [critical, ...results.map((optional) => outcome(critical, optional, true))].join(' '),
  )
  expect(cancelled).toMatchInlineSnapshot(`
    [
      "done ready ready ready degraded degraded cancelled",
      "unchanged ready ready ready degraded degraded cancelled",
      "skipped ready ready ready degraded degraded cancelled",
      "failed failed failed failed failed failed failed",
      "timeout failed failed failed failed failed failed",
      "cancelled cancelled cancelled cancelled cancelled cancelled cancelled",
    ]
  `)
})
