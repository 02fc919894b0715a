import { backoffMs } from './clock.ts'
import { errorFacts, type ErrorFacts } from '../error.ts'
import type { StepResult } from '../event.ts'
import type { Facts, Outcome } from '../plugin/outcome.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { StepContext } from '../plugin/plugin.ts'
import type { PreparedStep } from './prepare-step.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { runScript } from '../command/run-script.ts'
import { createShell } from '../command/shell.ts'
import { describeThrown } from '../thrown.ts'
import { createStepVoice, type StepVoice } from './step-log.ts'
import { abortAfter, settleOrAbandon, StepAbandoned, StepStop, stopOf } from './step-stop.ts'

/** How a step ended. */
export interface StepEnd {
  result: StepResult
  reason?: string
  facts?: Facts
  /** Those of the facts that later steps can see. */
  outputs?: Facts
  error?: ErrorFacts
}

/**
 * Runs a prepared step: attempt after attempt until one ends well, the attempts are used up, or the signal aborts. Each attempt has its
 * own timeout. Emits everything but the step's end, and never throws for what happens within the step.
 */
export async function runStep(
  run: PipelineRun,
  step: RecipeStep,
  prepared: PreparedStep,
  signal: AbortSignal,
): Promise<StepEnd> {
  for (let attempt = 1; ; attempt++) {
    run.emit({ type: 'step:start', step: step.id, phase: 'run', attempt })
    const { end, mayRetry } = await runAttempt(run, step, { prepared, signal, attempt })
    if (!mayRetry || attempt >= step.retry.attempts) return end
    const delayMs = backoffMs(attempt, step.retry, run.clock.random)
    // An attempt that starts at the deadline can only be cut.
    if (run.deadline !== undefined && run.clock.now() + delayMs >= run.deadline) return end
    const error = end.error ?? { code: 'core/timeout', message: end.reason ?? 'it failed' }
    run.emit({
      type: 'step:retry',
      step: step.id,
      attempt,
      attempts: step.retry.attempts,
      delayMs,
      error,
    })
    try {
      await run.clock.sleep(delayMs, signal)
    } catch (reason) {
      if (!signal.aborted) throw reason
      return stopped(stopOf(signal))
    }
  }
}

interface AttemptOptions {
  prepared: PreparedStep
  /** Of the whole step. */
  signal: AbortSignal
  attempt: number
}

async function runAttempt(
  run: PipelineRun,
  step: RecipeStep,
  { prepared, signal: outer, attempt }: AttemptOptions,
): Promise<{ end: StepEnd; mayRetry: boolean }> {
  const limit = `it took longer than its timeout of ${describeMs(step.timeoutMs ?? 0)}`
  const timer = abortAfter(step.timeoutMs, new StepStop('timeout', limit))
  const signal = AbortSignal.any([outer, timer.signal])
  const voice = createStepVoice(step.id, run)
  try {
    signal.throwIfAborted()
    const work =
      step.uses === undefined
        ? runCommandStep(run, step, { prepared, signal, voice })
        : runPluginStep(run, step, { prepared, signal, voice, attempt })
    return { end: await settleOrAbandon(work, signal), mayRetry: false }
  } catch (error) {
    if (error instanceof StepAbandoned) {
      // The attempt that was left behind may still be writing, so none may follow.
      return { end: stopped(error.stop, error.message), mayRetry: false }
    }
    if (signal.aborted) return { end: stopped(stopOf(signal)), mayRetry: !outer.aborted }
    return { end: { result: 'failed', error: errorFacts(describeThrown(error)) }, mayRetry: true }
  } finally {
    voice.close()
    timer.clear()
  }
}

function stopped(stop: StepStop, reason: string = stop.message): StepEnd {
  return { result: stop.result, reason }
}

interface WorkOptions {
  prepared: PreparedStep
  signal: AbortSignal
  voice: StepVoice
}

async function runCommandStep(
  run: PipelineRun,
  step: RecipeStep,
  { prepared, signal, voice }: WorkOptions,
): Promise<StepEnd> {
  const outputs = await runScript({
    step: step.id,
    script: prepared.script,
    shell: step.shell,
    env: prepared.env,
    workingDirectory: prepared.workingDirectory,
    stateDirectory: run.stateDirectory,
    signal,
    mask: run.mask,
    warn: voice.log.warn,
    onLine: voice.output,
  })
  return { result: 'done', facts: outputs, outputs }
}

async function runPluginStep(
  run: PipelineRun,
  step: RecipeStep,
  { prepared, signal, voice, attempt }: WorkOptions & { attempt: number },
): Promise<StepEnd> {
  const { uses } = step
  if (uses === undefined) throw new TypeError(`step \`${step.id}\` uses no plugin`)
  const context: StepContext = {
    ...stepBasics(run, prepared, { signal, voice, attempt }),
    inputs: prepared.inputs,
    progress: voice.progress,
    willUndo: async (data) => {
      // A step that was cancelled, or left behind, must not begin anything new.
      signal.throwIfAborted()
      await run.journal.intend({ step: step.id, uses: uses.name, pipeline: run.pipeline, data })
      signal.throwIfAborted()
    },
  }
  const outcome = await uses.definition.run(context)
  return { ...outcome, outputs: declaredOutputs(uses.definition.outputs, outcome) }
}

/** What steps and undos are given alike. */
export function stepBasics(
  run: PipelineRun,
  prepared: Pick<PreparedStep, 'env' | 'workingDirectory'>,
  { signal, voice, attempt }: { signal: AbortSignal; voice: StepVoice; attempt: number },
): Omit<StepContext, 'inputs' | 'willUndo' | 'progress'> {
  const { env, workingDirectory } = prepared
  return {
    env,
    workingDirectory,
    $: createShell({ env, workingDirectory, signal, mask: run.mask, onLine: voice.output }),
    log: voice.log,
    signal,
    deadline: run.deadline,
    pipeline: run.pipeline,
    wasUsed: run.wasUsed,
    periodic: run.periodic,
    attempt,
  }
}

function declaredOutputs(schema: object, { facts }: Outcome): Facts {
  if (!('shape' in schema) || typeof schema.shape !== 'object' || schema.shape === null)
    return facts
  const names = new Set(Object.keys(schema.shape))
  return Object.fromEntries(Object.entries(facts).filter(([name]) => names.has(name)))
}

function describeMs(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}
