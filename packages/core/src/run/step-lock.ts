import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { BerthError, errorFacts } from '../error.ts'
import { evaluateText, type ExpressionContext } from '../expression/expression.ts'
import { stopped } from './attempts.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { stepEnvironment } from './prepare-step.ts'
import type { RecipeLock, RecipeStep } from '../recipe/recipe.ts'
import type { StepEnd } from './step-end.ts'
import { createStepVoice } from './step-log.ts'
import { settleOrAbandon, StepAbandoned, stopOf } from './step-stop.ts'
import { describeThrown } from '../thrown.ts'

/** Takes a lease that pods on a shared volume agree on, and keeps it alive until it is released or lost. */
export type AcquireLease = (settings: {
  path: string
  owner: string
  ttlMs: number
}) => Promise<HeldLease | BusyLease>

export interface HeldLease {
  state: 'held'
  /** Aborts, with the reason, when it could not be kept. */
  signal: AbortSignal
  release: () => Promise<void>
}

export interface BusyLease {
  state: 'busy'
  owner: string
}

const TTL_MS = 60_000
const WAIT_MS = 3_600_000
/** Between two looks at a lease that another holds: short at first, because most locks are, and never in step with other pods. */
const FIRST_LOOK_MS = 200
const LONGEST_LOOK_MS = 3000
/** A hung volume must not hold the pod when the work is done. */
const RELEASE_MS = 1000

/**
 * Does a step's work while it holds its lock, for all of the step's attempts; without one, just does it. The work's signal aborts when the
 * lease is lost. Never throws for what happens to the lease.
 */
export async function whileLocked(
  run: PipelineRun,
  step: RecipeStep,
  { context, signal }: { context: ExpressionContext; signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<StepEnd>,
): Promise<StepEnd> {
  if (step.lock === undefined) return work(signal)
  const voice = createStepVoice(step.id, run)
  try {
    const path = lockPath(run, step, { lock: step.lock, context })
    const taken = await settleOrAbandon(take(run, step, { path, signal, log: voice.log }), signal)
    if (taken.state === 'busy') return busyEnd(step.lock, path, taken.owner)
    let isLeftBehind = false
    try {
      const end = await work(AbortSignal.any([signal, taken.signal]))
      isLeftBehind = end.leftBehind === true
      if (!taken.signal.aborted || end.result === 'done' || end.result === 'unchanged') return end
      const error = errorFacts(describeThrown(taken.signal.reason))
      return { result: 'failed', error, ...(isLeftBehind ? { leftBehind: true } : {}) }
    } finally {
      // What may still be writing keeps the lease for as long as this process lives.
      if (!isLeftBehind) {
        await release(taken, (why) =>
          voice.log.warn(
            `could not give up the lock \`${path}\`: ${why}; others have to wait until it is over`,
          ),
        )
      }
    }
  } catch (error) {
    if (error instanceof StepAbandoned) return stopped(error.stop, error.message)
    if (signal.aborted) return stopped(stopOf(signal))
    return { result: 'failed', error: errorFacts(describeThrown(error)) }
  } finally {
    voice.close()
  }
}

function lockPath(
  run: PipelineRun,
  step: RecipeStep,
  { lock, context }: { lock: RecipeLock; context: ExpressionContext },
): string {
  const env = stepEnvironment(run, step, context)
  return resolve(run.workingDirectory, evaluateText(lock.file, { ...context, env }))
}

interface Taking {
  path: string
  signal: AbortSignal
  log: (text: string) => void
}

async function take(
  { acquireLease, clock, recipe }: PipelineRun,
  { id, lock }: RecipeStep,
  { path, signal, log }: Taking,
): Promise<HeldLease | BusyLease> {
  if (acquireLease === undefined) throw new TypeError('the runner was given no way to take a lease')
  const owner = `${hostname()} ${recipe.name}/${id}`
  const startedAt = clock.now()
  let lookMs = FIRST_LOOK_MS
  for (let toldOf: string | undefined; ;) {
    signal.throwIfAborted()
    const lease = await acquireLease({ path, owner, ttlMs: lock?.ttlMs ?? TTL_MS })
    if (lease.state === 'held') {
      // Whoever asked may have given up while the volume did not answer.
      if (signal.aborted) await lease.release()
      signal.throwIfAborted()
      return lease
    }
    const isOver = clock.now() - startedAt >= (lock?.waitMs ?? WAIT_MS)
    if (lock?.onBusy !== 'wait' || isOver) return lease
    if (toldOf !== lease.owner)
      log(`waiting for the lock \`${path}\`, which \`${lease.owner}\` holds`)
    toldOf = lease.owner
    await clock.sleep(lookMs * (0.5 + clock.random() / 2), signal)
    lookMs = Math.min(LONGEST_LOOK_MS, lookMs * 1.5)
  }
}

function busyEnd({ onBusy }: RecipeLock, path: string, owner: string): StepEnd {
  if (onBusy === 'skip')
    return { result: 'skipped', reason: `\`${owner}\` holds the lock \`${path}\`` }
  const cure =
    onBusy === 'wait' ? 'a longer `wait` gives it more time' : '`on-busy: wait` waits for it'
  const hint = `see whether that pod goes on; ${cure}`
  const error = new BerthError(
    'core/locked',
    `could not take the lock \`${path}\`: \`${owner}\` holds it`,
    { hint },
  )
  return { result: 'failed', error: errorFacts(error) }
}

async function release(lease: HeldLease, onProblem: (why: string) => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((settle) => {
    timer = setTimeout(() => settle('the volume does not answer'), RELEASE_MS)
  })
  const released = lease.release().then(
    () => undefined,
    (error: unknown) => String(error),
  )
  const problem = await Promise.race([released, late])
  clearTimeout(timer)
  if (problem !== undefined) onProblem(problem)
}
