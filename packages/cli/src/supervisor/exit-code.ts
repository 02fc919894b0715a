import type { PipelineResult } from '@berth/core'
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts'

export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface PodLife {
  boot: PipelineResult
  onBootFailure: 'exit' | 'hold' | 'continue'
  /** There was a command, whether or not it came to be started. */
  hasCommand: boolean
  /** Absent when main was never started. */
  main: Ending | undefined
  shutdown: PipelineResult
  /** The first signal that asked the pod to stop. */
  stopSignal: NodeJS.Signals | undefined
  strict: boolean
}

/**
 * The container's exit code: main's own; 1 for a boot that failed, and for a save that failed though main ended well; 3 for
 * `degraded` under `--strict`. A signal that comes before main was started counts; one that ends the waiting of a pod without a
 * command is its regular end.
 */
export function podExitCode(life: PodLife): number {
  const own = ownExitCode(life)
  if (own !== exitCodes.right) return own
  if (life.shutdown === 'failed' || life.shutdown === 'cancelled') return exitCodes.failed
  const degraded =
    life.boot === 'degraded' || life.boot === 'failed' || life.shutdown === 'degraded'
  return life.strict && degraded ? exitCodes.degraded : exitCodes.right
}

/** Main runs when deferred steps fail, so they can make a boot no worse than degraded. */
export function withDeferred(
  boot: PipelineResult,
  deferred: PipelineResult | undefined,
): PipelineResult {
  const isWorse = deferred === 'failed' || deferred === 'degraded'
  return boot === 'ready' && isWorse ? 'degraded' : boot
}

function ownExitCode({ boot, onBootFailure, hasCommand, main, stopSignal }: PodLife): number {
  if (boot === 'failed' && onBootFailure !== 'continue') return exitCodes.failed
  if (main !== undefined) {
    return main.signal === null ? (main.code ?? exitCodes.failed) : exitCodeOfSignal(main.signal)
  }
  if (boot === 'cancelled' || hasCommand) return exitCodeOfSignal(stopSignal ?? 'SIGTERM')
  return exitCodes.right
}
