import { formatDuration } from '../reporters/format.ts'
import type { Ending } from './exit-code.ts'
import type { PipelineEnd } from './pipeline-handle.ts'
import type { ShutdownOutcome } from './shutdown-tally.ts'

export interface LifeSummary {
  recipe: string
  boot: PipelineEnd
  bootMs: number
  main: Ending | undefined
  shutdown: PipelineEnd
  shutdownMs: number
  code: number
}

/** The pod's life in one line: `comfyui: boot ready in 20.4 s, main ended with 0, shutdown complete in 3.2 s; exit code 0`. */
export function lifeSummary(life: LifeSummary): string {
  const parts = [
    `boot ${life.boot.result} in ${formatDuration(life.bootMs)}`,
    life.main === undefined ? 'no main ran' : `main ended ${endingText(life.main)}`,
    shutdownText(life.shutdown, life.shutdownMs),
  ]
  return `${life.recipe}: ${parts.join(', ')}; exit code ${life.code}`
}

/** `shutdown failed in 3.2 s, 1 of 3 not taken back`. */
export function shutdownText({ result, undo }: ShutdownOutcome, shutdownMs: number): string {
  const all = Object.values(undo ?? {}).reduce((sum, count) => sum + count, 0)
  const left = all - (undo?.done ?? 0)
  const what = left === 0 ? '' : `, ${left} of ${all} not taken back`
  return `shutdown ${result === 'ready' ? 'complete' : result} in ${formatDuration(shutdownMs)}${what}`
}

function endingText({ code, signal }: Ending): string {
  return signal === null ? `with ${code}` : `by ${signal}`
}
