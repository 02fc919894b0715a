import type { BerthEvent, NewEvent } from '@berth/core'
import { beforeEach, expect, test } from 'vitest'
import { EventLines } from './event-lines.ts'
import { plain } from './symbols.ts'

const counts = { done: 0, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }
let lines: EventLines

beforeEach(() => {
  lines = new EventLines(plain)
})

type Told = NewEvent & { at: number }

function show(...events: Told[]): string[] {
  return events.flatMap(({ at, ...event }) =>
    lines.of({ ...event, time: 1_000_000 + at * 1000 } as BerthEvent),
  )
}

const start: Told = {
  at: 0,
  type: 'pipeline:start',
  pipeline: 'boot',
  recipe: 'comfyui',
  steps: [
    { id: 'volume', name: 'Find the volume', optional: false, needs: [] },
    { id: 'requirements', name: 'Install', optional: true, needs: ['volume'] },
  ],
}

test('tells a boot in one line per event', () => {
  const text = show(
    start,
    { at: 0.1, type: 'step:start', step: 'volume', phase: 'run', attempt: 1 },
    {
      at: 0.3,
      type: 'step:end',
      step: 'volume',
      phase: 'run',
      result: 'done',
      optional: false,
      durationMs: 212,
      facts: { present: true, path: '/runpod-volume', freeBytes: 871_878_361_088 },
    },
    { at: 0.3, type: 'step:start', step: 'requirements', phase: 'run', attempt: 1 },
    {
      at: 0.5,
      type: 'step:log',
      step: 'requirements',
      level: 'output',
      text: 'Collecting \u001B[31mred\u001B[0m\rx',
    },
    { at: 0.6, type: 'step:log', step: 'requirements', level: 'warn', text: 'old pip' },
    {
      at: 1,
      type: 'step:retry',
      step: 'requirements',
      attempt: 1,
      attempts: 3,
      delayMs: 2000,
      error: { code: 'core/command-failed', message: 'it ended with code 1' },
    },
    { at: 3, type: 'step:start', step: 'requirements', phase: 'run', attempt: 2 },
    {
      at: 4,
      type: 'step:end',
      step: 'requirements',
      phase: 'run',
      result: 'failed',
      optional: true,
      durationMs: 3700,
      error: {
        code: 'core/command-failed',
        message: 'could not run `requirements`: it ended with code 1',
        hint: 'look at its output',
        at: { file: 'comfyui.yaml', line: 21, column: 5 },
      },
    },
    {
      at: 4.1,
      type: 'pipeline:end',
      pipeline: 'boot',
      result: 'degraded',
      durationMs: 4100,
      counts: { ...counts, done: 1, failed: 1 },
    },
    { at: 4.2, type: 'main:start', command: ['python3', 'main.py'], pid: 17 },
    { at: 3700, type: 'signal', name: 'SIGTERM', action: 'stopping main' },
    { at: 3701, type: 'main:end', code: null, signal: 'SIGTERM', durationMs: 3_696_800 },
  )
  expect(text.join('\n')).toMatchInlineSnapshot(`
    "00:00.0  comfyui       … boot, 2 steps
    00:00.1  volume        … started
    00:00.3  volume        ✔ present, path /runpod-volume, free 812.0 GiB, 0.2 s
    00:00.3  requirements  … started
    00:00.5  requirements  … Collecting red x
    00:00.6  requirements  ⚠ old pip
    00:01.0  requirements  ⚠ attempt 1 of 3 failed: it ended with code 1; again in 2.0 s
    00:04.0  requirements  ⚠ failed (optional) after 3.7 s: could not run \`requirements\`: it ended with code 1  core/command-failed
      at comfyui.yaml:21:5
      To fix: look at its output
    00:04.1  comfyui       ⚠ boot degraded: 1 done, 1 failed, 4.1 s
    00:04.2  main          ● running python3 main.py (pid 17)
    1:01:40  berth         ● SIGTERM: stopping main
    1:01:41  main          ⚠ ended by SIGTERM after 1 h 1 min"
  `)
})

test('speaks of progress every ten seconds and when it is complete', () => {
  const step = { type: 'step:progress', step: 'volume' } as const
  const progress = (at: number, done: number) => ({
    at,
    ...step,
    progress: {
      done: done * 1024 ** 2,
      total: 300 * 1024 ** 2,
      unit: 'bytes' as const,
      label: 'venv',
    },
  })
  const events = Array.from({ length: 301 }, (_, index) => progress(index / 10, index))
  expect(show(start, ...events, progress(30.1, 300)).slice(1)).toMatchInlineSnapshot(`
    [
      "00:10.0  volume        … venv 100.0 MiB of 300.0 MiB, 33 %, 10.0 MiB/s, 20.0 s left",
      "00:20.0  volume        … venv 200.0 MiB of 300.0 MiB, 66 %, 10.0 MiB/s, 10.0 s left",
      "00:30.0  volume        … venv 300.0 MiB of 300.0 MiB, 100 %, 10.0 MiB/s",
    ]
  `)
})

test('says nothing of progress that is over within a second', () => {
  const progress = { unit: 'bytes', total: 10 } as const
  const events = show(
    start,
    { at: 0.1, type: 'step:progress', step: 'volume', progress: { ...progress, done: 0 } },
    { at: 0.9, type: 'step:progress', step: 'volume', progress: { ...progress, done: 10 } },
  )
  expect(events).toHaveLength(1)
})

test('says once that rounds find nothing, and speaks again when one saves', () => {
  const round = (at: number, result: 'unchanged' | 'done'): Told[] => [
    { ...start, at, pipeline: 'shutdown', periodic: true } as Told,
    { at, type: 'step:start', step: 'volume', phase: 'run', attempt: 1 },
    { at, type: 'step:log', step: 'volume', level: 'info', text: `venv: ${result}` },
    {
      at,
      type: 'step:end',
      step: 'volume',
      phase: 'run',
      result,
      optional: false,
      durationMs: 100,
      facts: {},
    },
    {
      at,
      type: 'pipeline:end',
      pipeline: 'shutdown',
      result: 'ready',
      durationMs: 100,
      counts: { ...counts, [result]: 1 },
      periodic: true,
    },
  ]
  const text = show(
    ...round(0, 'unchanged'),
    ...round(120, 'unchanged'),
    ...round(240, 'done'),
    ...round(360, 'unchanged'),
  )
  expect(text).toMatchInlineSnapshot(`
    [
      "00:00.0  comfyui       – periodic shutdown: nothing had changed, 0.1 s",
      "04:00.0  volume        … venv: done",
      "04:00.0  volume        ✔ 0.1 s",
      "04:00.0  comfyui       ✔ periodic shutdown complete: 1 done, 0.1 s",
      "06:00.0  comfyui       – periodic shutdown: nothing had changed, 0.1 s",
    ]
  `)
})

test('shows each mistake of a recipe with its place and cure', () => {
  const at = { file: 'r.yaml', line: 3, column: 5 }
  const text = show({
    at: 0,
    type: 'error',
    error: {
      code: 'recipe/invalid',
      message: '2 mistakes in r.yaml',
      problems: [
        {
          code: 'recipe/unknown-key',
          message: '`wiht` is unknown',
          hint: 'write `with`',
          at,
          excerpt: '3 |   wiht: {}\n  |   ^',
        },
        { code: 'recipe/unknown-step', message: '`x/y` is unknown', at },
      ],
    },
  })
  expect(text.join('\n')).toMatchInlineSnapshot(`
    "00:00.0  berth     ✖ 2 mistakes in r.yaml  recipe/invalid
      ✖ \`wiht\` is unknown  recipe/unknown-key
        at r.yaml:3:5
        3 |   wiht: {}
          |   ^
        To fix: write \`with\`
      ✖ \`x/y\` is unknown  recipe/unknown-step
        at r.yaml:3:5"
  `)
})
