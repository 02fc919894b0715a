import { BerthError, errorFacts, type ErrorFacts } from '../error.ts'
import type { PipelineName, StepResult } from '../event.ts'
import type { UndoIntent } from './journal.ts'
import type { StepRecords } from './outputs.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { StepDefinition } from '../plugin/plugin.ts'
import { expressionContext, stepDirectory, stepEnvironment } from './prepare-step.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import { stepBasics } from './run-step.ts'
import { evaluateInputs } from './evaluate-inputs.ts'
import { forgetKeptOutput, keptScriptOutput, SCRIPT, undoScript } from './script-undo.ts'
import type { StepEnd } from './step-end.ts'
import { createStepVoice, type StepVoice } from './step-log.ts'
import { abortAfter, settleOrAbandon, StepAbandoned, StepStop, stopOf } from './step-stop.ts'
import { describeThrown } from '../thrown.ts'

export interface UndoEnd {
  step: string
  result: StepResult
  reason?: string
  error?: ErrorFacts
}

/** Who knows how to take something back. */
export interface UndoSource {
  step: RecipeStep
  /** The step itself, or the ladder that it is a rung of. */
  item: RecipeStep
  /** Of the plugin; a `run` step has its script. */
  undo: StepDefinition['undo']
}

export interface UndoSurroundings {
  source: UndoSource | undefined
  records: StepRecords
  signal: AbortSignal
  /** How it ends when it may not start. */
  refusal?: StepEnd | undefined
  /** The longest that it may take, while others wait behind it. */
  shareMs?: number | undefined
}

/** The recipe's step of this id, or, when the recipe has changed, any that uses the same plugin step. */
export function findUndoSource(recipe: Recipe, intent: UndoIntent): UndoSource | undefined {
  const order: PipelineName[] = [intent.pipeline, 'boot', 'build', 'shutdown']
  const sources = order
    .flatMap((pipeline) => recipe.pipelines[pipeline] ?? [])
    .flatMap((step) => [step, ...(step.anyOf ?? [])].map((each) => ({ step: each, item: step })))
  const isMeant = ({ step }: { step: RecipeStep }) => step.id === intent.step
  if (intent.uses === SCRIPT) {
    // Another script's undo would take back something else.
    const source = sources.find((each) => isMeant(each) && each.step.undo !== undefined)
    return source && { ...source, undo: undefined }
  }
  const candidates = sources.filter(({ step }) => step.uses?.name === intent.uses)
  const source = candidates.find(isMeant) ?? candidates[0]
  const undo = source?.step.uses?.definition.undo
  return source === undefined || undo === undefined ? undefined : { ...source, undo }
}

/** Takes one thing back and notes that in the journal, with the events of it. Never throws for what happens within. */
export async function undoOne(
  run: PipelineRun,
  intent: UndoIntent,
  surroundings: UndoSurroundings,
): Promise<UndoEnd> {
  const optional = surroundings.source?.item.optional ?? false
  const startedAt = performance.now()
  run.emit({ type: 'step:start', step: intent.step, phase: 'undo', attempt: 1 })
  const end = surroundings.refusal ?? (await attemptUndo(run, intent, surroundings))
  if (end.result === 'done') await markUndone(run, intent)
  const durationMs = Math.round(performance.now() - startedAt)
  run.emit({ type: 'step:end', step: intent.step, phase: 'undo', optional, durationMs, ...end })
  return { step: intent.step, ...end }
}

async function attemptUndo(
  run: PipelineRun,
  intent: UndoIntent,
  { source, records, signal: outer, shareMs }: UndoSurroundings,
): Promise<Omit<UndoEnd, 'step'>> {
  if (source === undefined) {
    return { result: 'failed', error: errorFacts(unknownUndo(run.recipe, intent)) }
  }
  const voice = createStepVoice(intent.step, run)
  const timer = abortAfter(shareMs, new StepStop('timeout', SHARE_USED_UP))
  const signal = AbortSignal.any([outer, timer.signal])
  try {
    const work = takeBack(run, intent, { source, records, signal, voice })
    await settleOrAbandon(work, signal)
    return { result: 'done' }
  } catch (error) {
    if (error instanceof StepAbandoned) return { result: error.stop.result, reason: error.message }
    if (signal.aborted) return { result: stopOf(signal).result, reason: stopOf(signal).message }
    return { result: 'failed', error: errorFacts(describeThrown(error)) }
  } finally {
    voice.close()
    timer.clear()
  }
}

async function takeBack(
  run: PipelineRun,
  { pipeline, data }: UndoIntent,
  {
    source: { step, item, undo },
    records,
    signal,
    voice,
  }: { source: UndoSource; records: StepRecords; signal: AbortSignal; voice: StepVoice },
): Promise<void> {
  if (undo === undefined)
    return undoScript(run, step, { item: item.id, pipeline, records, signal, voice })
  const context = expressionContext(run, step, records, 'success')
  const env = stepEnvironment(run, step, context)
  const workingDirectory = stepDirectory(run, step, { ...context, env })
  const part = { step: step.id, pipeline, signal, voice, attempt: 1 }
  return undo({
    ...stepBasics(run, { env, workingDirectory }, part),
    data,
    inputs: () => evaluateInputs(step, { ...context, env }),
    kept: (name) => keptScriptOutput(run, { pipeline, step: step.id, name }),
  })
}

const SHARE_USED_UP = 'it took more than half of the time that is left, and others wait behind it'

async function markUndone(run: PipelineRun, intent: UndoIntent): Promise<void> {
  try {
    await run.journal.undone(intent)
    await forgetKeptOutput(run, intent)
  } catch (error) {
    // It is taken back; only the next undo will do it once more, which is harmless.
    const text = `could not note in the journal that \`${intent.step}\` was taken back: ${String(error)}`
    run.emit({ type: 'note', level: 'warn', text })
  }
}

function unknownUndo(recipe: Recipe, { step, uses }: UndoIntent): BerthError {
  const who =
    uses === SCRIPT
      ? `\`run\` step \`${step}\` with an \`undo\``
      : `step that uses \`${uses}\` and knows how to`
  return new BerthError(
    'core/unknown-undo',
    `could not take back \`${step}\`: ${recipe.file} has no ${who}`,
    { hint: 'run the undo with the recipe that the container was booted with' },
  )
}
