import type { BerthEvent, StepResult } from '@berth/core'
import { formatDuration } from './format.ts'
import type { SymbolName } from './symbols.ts'

const order: StepResult[] = ['done', 'unchanged', 'skipped', 'failed', 'timeout', 'cancelled']

/** `boot`, `shutdown`, or `deferred` for the boot's steps that were left until main runs. */
export function pipelineName({
  pipeline,
  deferred,
}: Pick<Extract<BerthEvent, { type: 'pipeline:end' }>, 'pipeline' | 'deferred'>): string {
  return deferred === true ? 'deferred' : pipeline
}

function countsOf(counts: Partial<Record<StepResult, number>>): string[] {
  return order
    .filter((result) => (counts[result] ?? 0) > 0)
    .map((result) => `${counts[result]} ${result}`)
}

/** The summary of a pipeline: `boot ready: 5 done, 1 skipped, 20.4 s`. */
export function pipelineText(
  event: Extract<BerthEvent, { type: 'pipeline:end' }>,
  idle: boolean,
): { symbol: SymbolName; text: string } {
  const duration = formatDuration(event.durationMs)
  if (event.periodic === true && idle) {
    return {
      symbol: 'skipped',
      text: `periodic ${event.pipeline}: nothing had changed, ${duration}`,
    }
  }
  const name = pipelineName(event)
  const counts = countsOf(event.counts)
  const undo = countsOf(event.undo ?? {}).join(', ')
  const undone = undo === '' ? [] : [`undo: ${undo}`]
  const periodic = event.periodic === true ? 'periodic ' : ''
  const verdict = name === 'boot' || event.result !== 'ready' ? event.result : 'complete'
  const symbol = {
    ready: 'done',
    degraded: 'warning',
    failed: 'failed',
    cancelled: 'warning',
  } as const
  return {
    symbol: symbol[event.result],
    text: `${periodic}${name} ${verdict}: ${[[...counts, duration].join(', '), ...undone].join('; ')}`,
  }
}
