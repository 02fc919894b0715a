import { setTimeout as sleep } from 'node:timers/promises'
import type { PipelineHandle } from './pipeline-handle.ts'
import { type EndOfMain, runBeside } from './run-beside.ts'

/** Pods that were started together should not all turn to the store in the same second. */
const jitter = 0.1

interface Round {
  step: string
  everyMs: number
}

/**
 * Runs shutdown steps while main runs, each at its own interval, what is due together in one round, never two rounds at once. An
 * interval counts from the end of a round. When the signal aborts, a running round is cancelled; resolves when it is gone.
 */
export async function keepRounds(
  rounds: readonly Round[],
  start: (steps: string[]) => PipelineHandle,
  endOfMain: EndOfMain,
): Promise<void> {
  const { signal } = endOfMain
  const dueAt = new Map(rounds.map(({ step, everyMs }) => [step, Date.now() + spread(everyMs)]))
  while (dueAt.size > 0) {
    const wait = Math.max(0, Math.min(...dueAt.values()) - Date.now())
    if (!(await slept(wait, signal))) return
    const now = Date.now()
    const due = rounds.filter(({ step }) => (dueAt.get(step) ?? 0) <= now)
    await runBeside(start(due.map(({ step }) => step)), endOfMain)
    for (const { step, everyMs } of due) dueAt.set(step, Date.now() + spread(everyMs))
  }
}

function spread(everyMs: number): number {
  return everyMs * (1 - jitter + 2 * jitter * Math.random())
}

async function slept(durationMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(durationMs, undefined, { signal })
    return true
  } catch (error) {
    if (signal.aborted) return false
    throw error
  }
}
