import type { PipelineResult } from '@berth/core'

/** What `berth shutdown` asks of a running boot. */
export interface ShutdownRequest {
  /** For the log. */
  reason: string | undefined
  /** How long everything may take from now; the boot's own grace unless given. */
  graceMs: number | undefined
  /** The answer comes when everything is put away; else when it has begun. */
  wait: boolean
}

/** How a life ended. */
export interface ShutdownEnd {
  state: 'ended'
  result: PipelineResult
  /** The container's. */
  exitCode: number
  /** Of the shutdown and the undo together. */
  shutdownMs: number
  /** The last line of the log. */
  summary: string
}

/** Whatever came over the socket, as a request: what has another type counts as absent. */
export function readShutdownRequest(line: Record<string, unknown>): ShutdownRequest {
  const { reason, graceMs, wait } = line
  return {
    reason: typeof reason === 'string' ? reason.slice(0, 200) : undefined,
    graceMs: typeof graceMs === 'number' && graceMs > 0 ? graceMs : undefined,
    wait: wait === true,
  }
}
