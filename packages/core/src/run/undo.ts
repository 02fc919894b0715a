import { BerthError, errorFacts, type ErrorFacts } from '../error.ts'
import type { PipelineName, PipelineResult, StepResult } from '../event.ts'
import type { UndoIntent } from './journal.ts'
import { outputFile, type StepRecords } from './outputs.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { type PipelineStops, watchStops } from './pipeline-stops.ts'
import type { StepDefinition } from '../plugin/plugin.ts'
import { expressionContext, stepDirectory, stepEnvironment } from './prepare-step.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import { openRun, type PipelineOptions } from './run-pipeline.ts'
import { stepBasics } from './run-step.ts'
import { createStepVoice } from './step-log.ts'
import { abortAfter, settleOrAbandon, StepAbandoned, StepStop, stopOf } from './step-stop.ts'
import { describeThrown } from '../thrown.ts'

export interface UndoOptions extends Omit<
  PipelineOptions,
  'pipeline' | 'signal' | 'only' | 'periodic'
> {
  signal?: AbortSignal | undefined
}

export interface UndoEnd {
  step: string
  result: StepResult
  reason?: string
  error?: ErrorFacts
}

export interface UndoOutcome {
  /** `failed`: something of a critical step is left as it was; it stays in the journal. */
  result: PipelineResult
  /** In the order in which they were taken back. */
  undone: UndoEnd[]
}

/**
 * Takes back everything that steps announced with `willUndo` and that was not taken back yet, the last first, also what an earlier
 * process announced and did not live to do. Each is tried once; what fails is said and stays in the journal, and the rest goes on.
 *
 * Where there is a deadline, no undo gets more than half of the time that is left while others wait behind it. May run again at any time.
 */
export async function undoAll(options: UndoOptions): Promise<UndoOutcome> {
  const run = openRun({ ...options, pipeline: 'shutdown' })
  const stops = watchStops(options)
  try {
    const intents = await run.journal.pending()
    const records = intents.length === 0 ? {} : await readRecords(run)
    const undone: UndoEnd[] = []
    let result: UndoOutcome['result'] = 'ready'
    for (const [index, intent] of intents.entries()) {
      const source = findSource(run.recipe, intent)
      const optional = source?.step.optional ?? false
      const behind = intents.length - index - 1
      const end = await undoOne(run, intent, { source, records, stops, behind })
      undone.push(end)
      if (end.result !== 'done' && result !== 'failed') result = optional ? 'degraded' : 'failed'
    }
    return { result, undone }
  } finally {
    stops.close()
    await run.journal.close()
  }
}

/** Without them an undo lacks at most a variable of its environment. */
async function readRecords({ stateDirectory }: PipelineRun): Promise<StepRecords> {
  return await outputFile(stateDirectory)
    .read('shutdown')
    .catch(() => ({}))
}

interface Source {
  step: RecipeStep
  undo: NonNullable<StepDefinition['undo']>
}

/** The recipe's step of this id, or, when the recipe has changed, any that uses the same plugin step. */
function findSource(recipe: Recipe, intent: UndoIntent): Source | undefined {
  const order: PipelineName[] = [intent.pipeline, 'boot', 'build', 'shutdown']
  const steps = order.flatMap((pipeline) => recipe.pipelines[pipeline] ?? [])
  const candidates = steps.filter(({ uses }) => uses?.name === intent.uses)
  const step = candidates.find(({ id }) => id === intent.step) ?? candidates[0]
  const undo = step?.uses?.definition.undo
  return step === undefined || undo === undefined ? undefined : { step, undo }
}

interface UndoSurroundings {
  source: Source | undefined
  records: StepRecords
  stops: PipelineStops
  /** How many wait behind this one. */
  behind: number
}

async function undoOne(
  run: PipelineRun,
  intent: UndoIntent,
  surroundings: UndoSurroundings,
): Promise<UndoEnd> {
  const optional = surroundings.source?.step.optional ?? false
  const startedAt = performance.now()
  run.emit({ type: 'step:start', step: intent.step, phase: 'undo', attempt: 1 })
  const end =
    surroundings.stops.refusal({ optional }) ?? (await attemptUndo(run, intent, surroundings))
  if (end.result === 'done') await markUndone(run, intent)
  const durationMs = Math.round(performance.now() - startedAt)
  run.emit({ type: 'step:end', step: intent.step, phase: 'undo', optional, durationMs, ...end })
  return { step: intent.step, ...end }
}

async function attemptUndo(
  run: PipelineRun,
  intent: UndoIntent,
  { source, records, stops, behind }: UndoSurroundings,
): Promise<Omit<UndoEnd, 'step'>> {
  if (source === undefined) {
    return { result: 'failed', error: errorFacts(unknownUndo(run.recipe, intent)) }
  }
  const { step, undo } = source
  const voice = createStepVoice(intent.step, run)
  const timer = abortAfter(shareOfTime(run, behind), new StepStop('timeout', SHARE_USED_UP))
  const signal = AbortSignal.any([stops.signalFor(step), timer.signal])
  try {
    const context = expressionContext(run, step, records, 'success')
    const env = stepEnvironment(run, step, context)
    const workingDirectory = stepDirectory(run, step, { ...context, env })
    const basics = stepBasics(run, { env, workingDirectory }, { signal, voice, attempt: 1 })
    const work = undo({ ...basics, pipeline: intent.pipeline, data: intent.data })
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

const SHARE_USED_UP = 'it took more than half of the time that is left, and others wait behind it'

function shareOfTime({ deadline, clock }: PipelineRun, behind: number): number | undefined {
  return deadline === undefined || behind === 0 ? undefined : (deadline - clock.now()) / 2
}

async function markUndone(run: PipelineRun, intent: UndoIntent): Promise<void> {
  try {
    await run.journal.undone(intent)
  } catch (error) {
    // It is taken back; only the next undo will do it once more, which is harmless.
    const text = `could not note in the journal that \`${intent.step}\` was taken back: ${String(error)}`
    run.emit({ type: 'note', level: 'warn', text })
  }
}

function unknownUndo(recipe: Recipe, { step, uses }: UndoIntent): BerthError {
  return new BerthError(
    'core/unknown-undo',
    `could not take back \`${step}\`: ${recipe.file} has no step that uses \`${uses}\` and knows how to`,
    { hint: 'run the undo with the recipe that the container was booted with' },
  )
}
