import type { LogLevel, Progress } from '../event.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { StepLog } from '../plugin/plugin.ts'

/** A bar need not move more often than this. */
const PROGRESS_MS = 100

/** A step's way to say something. After `close` it is silent: a step that was left behind must not speak after its end. */
export interface StepVoice {
  log: StepLog
  /** A line that a command printed, masked already. */
  output: (line: string) => void
  progress: (progress: Progress) => void
  close: () => void
}

export function createStepVoice(
  step: string,
  { emit, emitMasked }: Pick<PipelineRun, 'emit' | 'emitMasked'>,
): StepVoice {
  let isOpen = true
  const line = (level: LogLevel, text: string) => {
    if (isOpen) emit({ type: 'step:log', step, level, text })
  }
  const info = (text: string) => line('info', text)
  const lastAt = new Map<string, number>()
  return {
    log: Object.assign(info, { info, warn: (text: string) => line('warn', text), line }),
    output: (text) => {
      if (isOpen) emitMasked({ type: 'step:log', step, level: 'output', text })
    },
    progress: (progress) => {
      const label = progress.label ?? ''
      const now = performance.now()
      const isDue = now - (lastAt.get(label) ?? -Infinity) >= PROGRESS_MS
      if (!isOpen || (!isDue && progress.done !== progress.total)) return
      lastAt.set(label, now)
      emit({ type: 'step:progress', step, progress })
    },
    close: () => {
      isOpen = false
    },
  }
}
