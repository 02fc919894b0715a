import type { BerthEvent, StepResult } from '@berth/core'
import { formatDuration } from './format.ts'
import type { SymbolName } from './symbols.ts'

const order: StepResult[] = ['done', 'unchanged', 'skipped', 'failed', 'timeout', 'cancelled']

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
  const counts = order
    .filter((result) => event.counts[result] > 0)
    .map((result) => `${event.counts[result]} ${result}`)
  const periodic = event.periodic === true ? 'periodic ' : ''
  const verdict = event.pipeline === 'boot' || event.result !== 'ready' ? event.result : 'complete'
  const symbol = {
    ready: 'done',
    degraded: 'warning',
    failed: 'failed',
    cancelled: 'warning',
  } as const
  return {
    symbol: symbol[event.result],
    text: `${periodic}${event.pipeline} ${verdict}: ${[...counts, duration].join(', ')}`,
  }
}
