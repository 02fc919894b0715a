import { type AttemptEnd, runAttempts, stopped, timeoutStop } from './attempts.ts'
import { errorFacts } from '../error.ts'
import type { Facts, Outcome } from '../plugin/outcome.ts'
import type { PipelineName } from '../event.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { StepContext } from '../plugin/plugin.ts'
import type { PreparedStep } from './prepare-step.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { runScript } from '../command/run-script.ts'
import { createShell } from '../command/shell.ts'
import { describeThrown } from '../thrown.ts'
import { announceScriptUndo } from './script-undo.ts'
import { scriptRunner } from './script-runner.ts'
import type { StepEnd } from './step-end.ts'
import { createStepVoice, type StepVoice } from './step-log.ts'
import { abortAfter, settleOrAbandon, StepAbandoned, stopOf } from './step-stop.ts'

/**
 * Runs a prepared step: attempt after attempt until one ends well, the attempts are used up, or the signal aborts. Each attempt has its
 * own timeout. Emits everything but the step's end, and never throws for what happens within the step.
 */
export function runStep(
  run: PipelineRun,
  step: RecipeStep,
  prepared: PreparedStep,
  signal: AbortSignal,
): Promise<StepEnd> {
  return runAttempts(run, step, signal, (attempt) =>
    runAttempt(run, step, { prepared, signal, attempt }),
  )
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
): Promise<AttemptEnd> {
  const timer = abortAfter(step.timeoutMs, timeoutStop(step))
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
      return { end: { ...stopped(error.stop, error.message), leftBehind: true }, mayRetry: false }
    }
    if (signal.aborted) return { end: stopped(stopOf(signal)), mayRetry: !outer.aborted }
    return { end: { result: 'failed', error: errorFacts(describeThrown(error)) }, mayRetry: true }
  } finally {
    voice.close()
    timer.clear()
  }
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
  const outputFile =
    step.undo === undefined ? undefined : await announceScriptUndo(run, step, signal)
  const outputs = await runScript({
    step: step.id,
    script: prepared.script,
    shell: step.shell,
    env: prepared.env,
    workingDirectory: prepared.workingDirectory,
    stateDirectory: run.stateDirectory,
    outputFile,
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
    ...stepBasics(run, prepared, { step: step.id, pipeline: run.pipeline, signal, voice, attempt }),
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
  part: {
    step: string
    pipeline: PipelineName
    signal: AbortSignal
    voice: StepVoice
    attempt: number
  },
): Omit<StepContext, 'inputs' | 'willUndo' | 'progress'> {
  const { env, workingDirectory } = prepared
  const { signal, voice, attempt } = part
  return {
    env,
    workingDirectory,
    $: createShell({ env, workingDirectory, signal, mask: run.mask, onLine: voice.output }),
    log: voice.log,
    signal,
    deadline: run.deadline,
    script: scriptRunner(run, prepared, part),
    pipeline: part.pipeline,
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
