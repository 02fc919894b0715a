import { type Clock, systemClock } from './clock.ts'
import type { Emit, PipelineName, PipelineResult } from '../event.ts'
import type { ExpressionContext } from '../expression/expression.ts'
import { openJournal } from './journal.ts'
import { recipeMask, warnOfUnmaskable } from '../recipe/recipe-mask.ts'
import { type OutputFile, outputFile, type StepRecords } from './outputs.ts'
import { countResults, pipelineResult } from './pipeline-result.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { watchStops } from './pipeline-stops.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import { runSteps } from './run-steps.ts'
import type { AcquireLease } from './step-lock.ts'
import type { StepEnd } from './step-end.ts'
import type { RecipeValues } from '../recipe/values.ts'

export interface PipelineOptions {
  recipe: Recipe
  pipeline: PipelineName
  values: RecipeValues
  platform: ExpressionContext['platform']
  /** Receives masked events. */
  emit: Emit
  /** Cancels the pipeline. */
  signal: AbortSignal
  /** Milliseconds since the epoch: what still runs then is aborted, and nothing is started. */
  deadline?: number | undefined
  /** Where outputs, the undo journal and short-lived scripts lie; made if it is missing. */
  stateDirectory: string
  /** Only the steps with these ids; what they need of the others counts as ended. */
  only?: readonly string[]
  /** Of a boot: `leave` runs what main waits for, `only` the steps with `defer: true`, which begin after main; all unless given. */
  deferred?: 'leave' | 'only'
  /** False when nothing but a boot that was cut has run; steps may ask. */
  wasUsed?: boolean
  /** A run that repeats while main runs (`every:`): its events are marked, and steps may ask. */
  periodic?: boolean
  /** When it aborts, optional steps are not started, and those that run are cancelled. */
  skipOptional?: AbortSignal | undefined
  /** Where the relative directories of steps start; the process's own directory unless given. */
  workingDirectory?: string
  /** How steps with a `lock` take it. */
  acquireLease?: AcquireLease
  clock?: Clock
}

export interface PipelineOutcome {
  result: PipelineResult
  steps: Record<string, StepEnd>
}

/**
 * Runs a pipeline of a recipe. A step starts when all that it needs have ended.
 *
 * In `boot` and `build` a critical step that fails cancels what runs and stops what has not begun, except steps whose `if` asks for
 * it (`failure()`, `always()`); in `shutdown` each step runs whatever became of the others. A failed optional step makes the result
 * `degraded`. A step that does not settle within 1.5 s after its abort is left behind, so that the result comes at the latest 1.5 s after
 * the deadline. Never throws for what happens within a step.
 */
export async function runPipeline(options: PipelineOptions): Promise<PipelineOutcome> {
  const { recipe, pipeline, signal } = options
  const steps = chosenSteps(options)
  const outputs = outputFile(options.stateDirectory)
  const run = openRun(options)
  const forgotten = options.deferred === 'leave' ? (recipe.pipelines[pipeline] ?? []) : steps
  const earlier = await earlierRecords(run, outputs, forgotten)
  const kind = {
    ...(options.periodic === true ? { periodic: true } : {}),
    ...(options.deferred === 'only' ? { deferred: true } : {}),
  }
  const startedAt = performance.now()
  const shown = steps.map(({ id, name, optional, needs }) => ({ id, name, optional, needs }))
  run.emit({ type: 'pipeline:start', pipeline, recipe: recipe.name, steps: shown, ...kind })
  warnOfUnmaskable(run)
  const stops = watchStops(options)
  try {
    const ends = await runSteps(run, steps, { stops, outputs, earlier })
    const result = pipelineResult(steps, ends, signal.aborted)
    const durationMs = Math.round(performance.now() - startedAt)
    const counts = countResults(ends)
    run.emit({ type: 'pipeline:end', pipeline, result, durationMs, counts, ...kind })
    return { result, steps: Object.fromEntries(ends) }
  } finally {
    stops.close()
    await run.journal.close()
  }
}

function chosenSteps({ recipe, pipeline, only, deferred }: PipelineOptions): RecipeStep[] {
  return (recipe.pipelines[pipeline] ?? []).filter(
    ({ id, defer }) =>
      (only === undefined || only.includes(id)) &&
      (deferred === undefined || defer === (deferred === 'only')),
  )
}

/** What an earlier process recorded, without what this run will. */
async function earlierRecords(
  { pipeline, emit }: PipelineRun,
  outputs: OutputFile,
  steps: readonly RecipeStep[],
): Promise<StepRecords> {
  try {
    await outputs.forget(
      pipeline,
      steps.map(({ id }) => id),
    )
    return await outputs.read(pipeline)
  } catch (error) {
    // A boot can still be refused. A shutdown has to save what it can, all the more on a disk that is full.
    if (pipeline !== 'shutdown') throw error
    const text = `the state of the container is not to be relied upon: ${(error as Error).message}`
    emit({ type: 'note', level: 'warn', text })
    return await outputs.read(pipeline).catch(() => ({}))
  }
}

/** What the steps of a run share; its journal must be closed. */
export function openRun(
  options: Omit<PipelineOptions, 'signal' | 'only' | 'skipOptional'>,
): PipelineRun {
  const mask = recipeMask(options.values)
  return {
    recipe: options.recipe,
    values: options.values,
    platform: options.platform,
    pipeline: options.pipeline,
    emit: (event) => options.emit(mask.event(event)),
    emitMasked: options.emit,
    mask,
    deadline: options.deadline,
    wasUsed: options.wasUsed ?? true,
    periodic: options.periodic === true,
    stateDirectory: options.stateDirectory,
    workingDirectory: options.workingDirectory ?? process.cwd(),
    journal: openJournal(options.stateDirectory),
    acquireLease: options.acquireLease,
    clock: options.clock ?? systemClock,
  }
}
