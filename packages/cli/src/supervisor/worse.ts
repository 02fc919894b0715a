import type { PipelineResult } from '@berth/core'

const severity: readonly PipelineResult[] = ['ready', 'degraded', 'cancelled', 'failed']

/** The worse of two results. */
export function worse(one: PipelineResult, other: PipelineResult): PipelineResult {
  return severity.indexOf(other) > severity.indexOf(one) ? other : one
}
