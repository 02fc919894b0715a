import type { PipelineResult } from '@berth/core'
import type { PipelineHandle } from './pipeline-handle.ts'

/** What ends a pipeline that runs while main does. */
export interface EndOfMain {
  /** Aborts when the shutdown begins. */
  signal: AbortSignal
  /** When it is killed by then, asked when the signal aborts. */
  killAt: () => number
}

/** Runs a pipeline beside main; it is cancelled when the shutdown begins, and killed when it does not stop. */
export async function runBeside(
  pipeline: PipelineHandle,
  { signal, killAt }: EndOfMain,
): Promise<PipelineResult> {
  const cancel = (): void => {
    pipeline.cancel('the shutdown begins')
    pipeline.killAt(killAt(), 'it did not stop when the shutdown began')
  }
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel()
  pipeline.go()
  const { result } = await pipeline.ended
  signal.removeEventListener('abort', cancel)
  return result
}
