import type { BerthEvent, PipelineName, StepResult } from '@berth/core'
import type { RecordLine } from './record-line.ts'
import { lifeIn } from './tell-life.ts'
import type { Life } from './life.ts'

/** When the lives of tests begin. */
export const dawn = Date.UTC(2026, 4, 17, 8, 30)

const noCounts = { done: 0, unchanged: 0, skipped: 0, failed: 0, timeout: 0, cancelled: 0 }

interface ToldStep {
  id: string
  at: [number, number]
  needs?: string[]
  result?: StepResult
  optional?: boolean
  end?: Partial<Extract<BerthEvent, { type: 'step:end' }>>
}

/** The events of a pipeline whose steps begin and end at these milliseconds after dawn. */
export function pipelineEvents(
  pipeline: PipelineName,
  { at: [from, to], steps }: { at: [number, number]; steps: readonly ToldStep[] },
): BerthEvent[] {
  const listing = steps.map(({ id, needs = [], optional = false }) => {
    return { id, name: id, optional, needs }
  })
  const isWorse = steps.some(({ result }) => result === 'failed')
  const result = isWorse ? 'degraded' : 'ready'
  const own = steps.flatMap(({ id, at, result: ended = 'done', optional = false, end }) => {
    const step = { step: id, phase: 'run' } as const
    const [startedAt, endedAt] = at
    const durationMs = endedAt - startedAt
    return [
      { type: 'step:start', ...step, attempt: 1, time: dawn + startedAt },
      {
        type: 'step:end',
        ...step,
        result: ended,
        optional,
        durationMs,
        time: dawn + endedAt,
        ...end,
      },
    ] satisfies BerthEvent[]
  })
  return [
    { type: 'pipeline:start', pipeline, recipe: 'comfyui', steps: listing, time: dawn + from },
    ...own.toSorted((one, other) => one.time - other.time),
    {
      type: 'pipeline:end',
      pipeline,
      result,
      durationMs: to - from,
      counts: noCounts,
      time: dawn + to,
    },
  ]
}

/** The first line of a record of this process. */
export const recordStart: RecordLine = {
  type: 'record:start',
  version: 1,
  file: 'recipes/comfyui.yaml',
  pid: 12,
  startTime: '345',
  time: dawn,
}

export function mustLife(lines: readonly RecordLine[]): Life {
  const life = lifeIn(lines)
  if (life === undefined) throw new Error('the record is empty')
  return life
}

/** A pod's life of twenty minutes: a boot of 42 s, degraded by its optional step, and a shutdown. */
export function podLife(depsMs: number): RecordLine[] {
  const error = {
    code: 'core/command-failed',
    message: 'could not run `deps`: exit code 1',
    hint: 'try again',
  }
  const depsEnd = 15_100 + depsMs
  const boot = pipelineEvents('boot', {
    at: [0, depsEnd + 100],
    steps: [
      { id: 'volume', at: [0, 200], end: { facts: { path: '/volume' } } },
      { id: 'gpu', at: [0, 1900], needs: [], end: { facts: { card: 'RTX 4090' } } },
      { id: 'venv', at: [200, 15_100], needs: ['volume'], end: { facts: { files: 41_812 } } },
      {
        id: 'deps',
        at: [15_100, depsEnd],
        needs: ['venv'],
        result: 'failed',
        optional: true,
        end: { error },
      },
      {
        id: 'never',
        at: [depsEnd, depsEnd],
        needs: ['deps'],
        result: 'skipped',
        end: { reason: '`if: false` does not hold' },
      },
    ],
  })
  const shutdown = pipelineEvents('shutdown', {
    at: [1_200_000, 1_203_300],
    steps: [{ id: 'save', at: [1_200_100, 1_203_200], end: { facts: { uploadedChunks: 2 } } }],
  })
  return [
    recordStart,
    ...boot,
    { type: 'main:start', command: ['python3', 'main.py'], pid: 40, time: dawn + 60_000 },
    {
      type: 'signal',
      name: 'SIGTERM',
      action: 'stopping main, 9.5 s left',
      time: dawn + 1_199_000,
    },
    { type: 'main:end', code: 0, signal: null, durationMs: 1_140_000, time: dawn + 1_200_000 },
    ...shutdown,
    { type: 'record:end', code: 0, time: dawn + 1_203_500 },
  ]
}
