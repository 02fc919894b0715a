import { errorFacts } from '../error.ts'
import type { ExpressionContext } from '../expression/expression.ts'
import { asksForStatus, evaluateCondition } from '../expression/expression.ts'
import type { OutputFile, StepRecord } from './outputs.ts'
import type { PipelineRun } from './pipeline-run.ts'
import type { PipelineStops } from './pipeline-stops.ts'
import { expressionContext, prepareStep } from './prepare-step.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { runLadder } from './run-ladder.ts'
import { runStep } from './run-step.ts'
import type { StepEnd } from './step-end.ts'
import { whileLocked } from './step-lock.ts'

export interface Surroundings {
  stops: PipelineStops
  outputs: OutputFile
  /** The steps of earlier pipelines. */
  earlier: Record<string, StepRecord>
}

/** Runs each step as soon as those that it needs have ended, and resolves with how all of them ended. */
export async function runSteps(
  run: PipelineRun,
  steps: readonly RecipeStep[],
  { stops, outputs, earlier }: Surroundings,
): Promise<Map<string, StepEnd>> {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const ends = new Map<string, StepEnd>()
  const records = { ...earlier }
  const running = new Map<string, Promise<void>>()

  const start = (step: RecipeStep): Promise<void> => {
    const begun = running.get(step.id) ?? startAfterNeeds(step)
    running.set(step.id, begun)
    return begun
  }
  const startAfterNeeds = async (step: RecipeStep) => {
    const needed = step.needs.flatMap((id) => byId.get(id) ?? [])
    await Promise.all(needed.map(start))
    const startedAt = performance.now()
    const end = await endOf(run, step, { stops, records })
    const isFailure = end.result === 'failed' || end.result === 'timeout'
    if (isFailure && step.explain !== undefined) end.explain = step.explain
    const { outputs: stepOutputs = {}, ...shown } = end
    if (isFailure && !step.optional) stops.fail(step.id)
    records[step.id] = { outputs: stepOutputs, result: end.result }
    ends.set(step.id, shown)
    await keepOutputs(run, outputs, step.id, records[step.id] as StepRecord)
    const durationMs = Math.round(performance.now() - startedAt)
    run.emit({
      type: 'step:end',
      step: step.id,
      phase: 'run',
      optional: step.optional,
      durationMs,
      ...shown,
    })
  }
  await Promise.all(steps.map(start))
  return ends
}

async function endOf(
  run: PipelineRun,
  step: RecipeStep,
  { stops, records }: { stops: PipelineStops; records: Record<string, StepRecord> },
): Promise<StepEnd> {
  const refusal = stops.refusal(step)
  if (refusal !== undefined) return refusal
  const asksStatus = step.if !== undefined && asksForStatus(step.if)
  const failed = stops.failed()
  const isShutdown = run.pipeline === 'shutdown'
  if (failed !== undefined && !isShutdown && !asksStatus) {
    return { result: 'skipped', reason: `not started: \`${failed}\` failed` }
  }
  try {
    const status = failed !== undefined && asksStatus ? 'failure' : 'success'
    const context = expressionContext(run, step, records, status)
    if (!holds(step, context))
      return { result: 'skipped', reason: `\`if: ${step.if}\` does not hold` }
    // Before the lock, for which a step with wrong inputs must not wait.
    const prepared = step.anyOf === undefined ? prepareStep(run, step, context) : undefined
    const signal = stops.signalFor(step, isShutdown || asksStatus)
    return await whileLocked(run, step, { context, signal }, (inner) =>
      prepared === undefined
        ? runLadder(run, step, { records, status, signal: inner })
        : runStep(run, step, prepared, inner),
    )
  } catch (error) {
    return { result: 'failed', error: errorFacts(error) }
  }
}

function holds(step: RecipeStep, context: ExpressionContext): boolean {
  return step.if === undefined || evaluateCondition(step.if, context)
}

async function keepOutputs(
  run: PipelineRun,
  outputs: OutputFile,
  step: string,
  record: StepRecord,
): Promise<void> {
  try {
    await outputs.record(run.pipeline, step, record)
  } catch (error) {
    // What the step did is done; only a later process misses its outputs.
    const text = `could not keep the outputs of \`${step}\` for the shutdown: ${String(error)}`
    run.emit({ type: 'note', level: 'warn', text })
  }
}
