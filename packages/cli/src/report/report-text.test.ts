import type { BerthEvent, PipelineName } from '@berth/core'
import { expect, test } from 'vitest'
import { plain } from '../reporters/symbols.ts'
import type { RecordLine } from './record-line.ts'
import { makeReport } from './report.ts'
import { reportText } from './report-text.ts'
import { dawn, mustLife, pipelineEvents, podLife, recordStart } from './testing.ts'

const layout = { columns: 100, style: plain }

test('draws boot and shutdown, and says the critical path and what was slower than in the boot before', () => {
  const [life, before] = [mustLife(podLife(26_700)), mustLife(podLife(6_800))]
  const report = makeReport(life, { isAlive: false, before, now: 0 })
  expect(reportText(report, layout)).toMatchInlineSnapshot(`
    "comfyui  ended with exit code 0 after 20 min 4 s, began 2026-05-17 08:30:00 UTC

    boot  degraded, 41.9 s, +19.9 s against the last boot
      volume   │▏                             │      0.2 s         ✔ path /volume
      gpu      │█▎                            │      1.9 s         ✔ card RTX 4090
      venv     │██████████▊                   │     14.9 s         ✔ 41,812 files
      deps     │          ███████████████████▉│     26.7 s +19.9 s ⚠ failed (optional): could not run \`deps\`: exit code 1
               ⚠ To fix: try again
      never    │                             ·│                    – skipped: \`if: false\` does not hold
    main  ended with 0 after 19 min 0 s
    shutdown  complete, 3.3 s
      save     │█████████████████████████████ │      3.1 s ✔ 2 uploaded chunks

    critical path: volume → venv → deps, 41.8 s, 100 % of the boot
    critical path: save, 3.1 s, 94 % of the shutdown
    slower than in the last boot: deps +19.9 s (6.8 s, now 26.7 s)
    SIGTERM: stopping main, 9.5 s left
    "
  `)
})

test('shows retries, refusals of a ladder, what is taken back, and a boot that still runs', () => {
  const events = pipelineEvents('boot', {
    at: [0, 10_000],
    steps: [{ id: 'link', at: [0, 2000] }],
  }).slice(0, -2)
  const error = { code: 's3-link/no-fuse', message: 'there is no /dev/fuse' }
  const rung = { step: 's3fs', of: 'link', phase: 'run' } as const
  const life = mustLife([
    recordStart,
    ...events,
    { type: 'step:start', ...rung, attempt: 1, time: dawn + 10 },
    {
      type: 'step:end',
      ...rung,
      result: 'failed',
      optional: false,
      durationMs: 90,
      error,
      time: dawn + 100,
    },
    {
      type: 'step:retry',
      step: 'link',
      attempt: 1,
      attempts: 3,
      delayMs: 500,
      error,
      time: dawn + 900,
    },
    { type: 'step:start', step: 'link', phase: 'run', attempt: 2, time: dawn + 1400 },
    { type: 'step:start', step: 'mount', phase: 'undo', attempt: 1, time: dawn + 1500 },
    {
      type: 'step:end',
      step: 'mount',
      phase: 'undo',
      result: 'done',
      optional: false,
      durationMs: 50,
      time: dawn + 1550,
    },
  ])
  const report = makeReport(life, { isAlive: true, before: undefined, now: dawn + 4000 })
  expect(reportText(report, layout)).toMatchInlineSnapshot(`
    "comfyui  booting, 4.0 s after it began at 2026-05-17 08:30:00 UTC

    boot  running, 4.0 s
      link     │██████████████████████████████│      4.0 s ● running, 2 attempts
               ⚠ attempt 1: there is no /dev/fuse
      └ s3fs   │▊                             │      90 ms – refused: there is no /dev/fuse
    undo  complete, 50 ms
      mount    │██████████████████████████████│      50 ms ✔
    "
  `)
})

test('says of what ran when the supervisor was killed that it is lost', () => {
  const events = pipelineEvents('boot', { at: [0, 9], steps: [{ id: 'link', at: [0, 2] }] })
  const life = mustLife([recordStart, ...events.slice(0, 2)])
  const report = makeReport(life, { isAlive: false, before: undefined, now: dawn + 4000 })
  expect(report).toMatchObject({ state: 'lost', parts: [{ result: 'lost' }] })
  expect(reportText(report, layout)).toContain('✖ lost: the supervisor was gone')
})

test('says of what the supervisor cut that it was cut, of what never began that, and of what was lost before', () => {
  const begun = (pipeline: PipelineName, id: string, from: number): BerthEvent[] => {
    const at = (start: number): [number, number] => [from + start, from + start + 1]
    const steps = [
      { id, at: at(1) },
      { id: 'after', at: at(3) },
    ]
    return pipelineEvents(pipeline, { at: [from, from + 9], steps }).slice(0, 2)
  }
  const boot = begun('boot', 'link', 0)
  const shutdown = begun('shutdown', 'save', 500)
  const end = { type: 'record:end', code: 143, time: dawn + 2000 } as const
  const tell = (lines: RecordLine[]): string => {
    const report = makeReport(mustLife(lines), { isAlive: false, before: undefined, now: dawn })
    return reportText(report, layout)
  }
  const cut = tell([recordStart, ...boot, end])
  expect(cut).toMatch(/link .*✖ cut: Berth ended it before it was done/)
  expect(cut).toMatch(/after .*– it never began/)
  const takeOver = { type: 'record:take-over', mainLives: false, time: dawn + 400 } as const
  const told = tell([recordStart, ...boot, takeOver, ...shutdown, end])
  expect(told).toMatch(/link .*✖ lost: the supervisor was gone/)
  expect(told).toMatch(/save .*✖ cut: Berth ended it/)
})
