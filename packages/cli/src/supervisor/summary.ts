import { formatDuration } from '../reporters/format.ts'
import type { Ending } from './exit-code.ts'
import type { PipelineEnd } from './pipeline-handle.ts'

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
  const shutdown = life.shutdown.result === 'ready' ? 'complete' : life.shutdown.result
  const parts = [
    `boot ${life.boot.result} in ${formatDuration(life.bootMs)}`,
    life.main === undefined ? 'no main ran' : `main ended ${endingText(life.main)}`,
    `shutdown ${shutdown} in ${formatDuration(life.shutdownMs)}`,
  ]
  return `${life.recipe}: ${parts.join(', ')}; exit code ${life.code}`
}

function endingText({ code, signal }: Ending): string {
  return signal === null ? `with ${code}` : `by ${signal}`
}
