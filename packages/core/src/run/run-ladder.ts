import { type AttemptEnd, runAttempts, stopped, timeoutStop } from './attempts.ts'
import { BerthError, errorFacts } from '../error.ts'
import type { NewEvent } from '../event.ts'
import { evaluateCondition, type ExpressionContext } from '../expression/expression.ts'
import type { StepRecords } from './outputs.ts'
import type { PipelineRun } from './pipeline-run.ts'
import { expressionContext, prepareStep } from './prepare-step.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { runStep } from './run-step.ts'
import type { StepEnd } from './step-end.ts'
import { abortAfter, abortLater, stopOf } from './step-stop.ts'
import { describeThrown } from '../thrown.ts'
import { findUndoSource, type UndoEnd, undoOne } from './undo-one.ts'

export interface LadderSurroundings {
  /** Of the steps before the ladder. */
  records: StepRecords
  status: ExpressionContext['status']
  signal: AbortSignal
}

/**
 * Tries the rungs of an `any-of` in their order until one ends well, and ends as that one did, with its outputs and `chosen`, its id. What
 * a refused rung had announced is taken back before the next is tried. `skipped` when no rung had anything to do, else `failed` when
 * none ended well. The ladder's `timeout` and `retry` are about all of its rungs together.
 */
export function runLadder(
  run: PipelineRun,
  ladder: RecipeStep,
  surroundings: LadderSurroundings,
): Promise<StepEnd> {
  return runAttempts(run, ladder, surroundings.signal, async () => {
    const timer = abortAfter(ladder.timeoutMs, timeoutStop(ladder))
    const signal = AbortSignal.any([surroundings.signal, timer.signal])
    try {
      return await climb(voiceOfRungs(run, ladder), ladder, { ...surroundings, inner: signal })
    } finally {
      timer.clear()
    }
  })
}

/** Says in each event of a rung which ladder it belongs to. */
function voiceOfRungs(run: PipelineRun, { id }: RecipeStep): PipelineRun {
  const marked = (event: NewEvent): NewEvent => ('step' in event ? { ...event, of: id } : event)
  return {
    ...run,
    emit: (event) => run.emit(marked(event)),
    emitMasked: (event) => run.emitMasked(marked(event)),
  }
}

async function climb(
  run: PipelineRun,
  ladder: RecipeStep,
  surroundings: LadderSurroundings & { inner: AbortSignal },
): Promise<AttemptEnd> {
  const { inner, signal } = surroundings
  const refused: { rung: RecipeStep; end: StepEnd }[] = []
  for (const rung of ladder.anyOf ?? []) {
    const end = await tryRung(run, rung, { ...surroundings, signal: inner })
    if (end.result === 'done' || end.result === 'unchanged') {
      const chosen = { chosen: rung.id }
      const { facts, outputs } = end
      return {
        end: {
          ...end,
          facts: { ...chosen, ...facts, ...chosen },
          outputs: { ...outputs, ...chosen },
        },
        mayRetry: false,
      }
    }
    // What is still at work must not meet the next rung, nor the undo of itself.
    if (end.leftBehind) return { end, mayRetry: false }
    // The pipeline's own undo takes care of it.
    if (signal.aborted) return { end: stopped(stopOf(signal)), mayRetry: false }
    const left = await takeBack(run, rung, surroundings)
    if (signal.aborted) return { end: stopped(stopOf(signal)), mayRetry: false }
    if (left !== undefined) return { end: notTakenBack(ladder, rung, left), mayRetry: false }
    if (inner.aborted) return { end: stopped(stopOf(inner)), mayRetry: true }
    refused.push({ rung, end })
  }
  return refusedEnd(ladder, refused)
}

async function tryRung(
  run: PipelineRun,
  rung: RecipeStep,
  { records, status, signal }: LadderSurroundings,
): Promise<StepEnd> {
  const startedAt = performance.now()
  const end = await endOfRung(run, rung, { records, status, signal })
  const { outputs: _, ...shown } = end
  const durationMs = Math.round(performance.now() - startedAt)
  // Its failure alone fails nothing.
  run.emit({ type: 'step:end', step: rung.id, phase: 'run', optional: true, durationMs, ...shown })
  return end
}

async function endOfRung(
  run: PipelineRun,
  rung: RecipeStep,
  { records, status, signal }: LadderSurroundings,
): Promise<StepEnd> {
  try {
    const context = expressionContext(run, rung, records, status)
    if (rung.if !== undefined && !evaluateCondition(rung.if, context)) {
      return { result: 'skipped', reason: `\`if: ${rung.if}\` does not hold` }
    }
    const end = await runStep(run, rung, prepareStep(run, rung, context), signal)
    const isFailure = end.result === 'failed' || end.result === 'timeout'
    return isFailure && rung.explain !== undefined ? { ...end, explain: rung.explain } : end
  } catch (error) {
    return { result: 'failed', error: errorFacts(describeThrown(error)) }
  }
}

/** An undo that is cut is done once more by the pipeline's own: one that has begun gets this long to end after a cancel. */
const UNDO_MS = 1000

/** Takes back what a refused rung had announced, the last first; gives the first that could not be. */
async function takeBack(
  run: PipelineRun,
  rung: RecipeStep,
  { records, signal }: LadderSurroundings,
): Promise<UndoEnd | undefined> {
  const intents = await run.journal.pending()
  const own = intents.filter(({ step, pipeline }) => step === rung.id && pipeline === run.pipeline)
  const patient = abortLater(signal, UNDO_MS)
  try {
    for (const intent of own) {
      // What has not begun is left to the pipeline's own undo.
      if (signal.aborted) return undefined
      const source = findUndoSource(run.recipe, intent)
      const end = await undoOne(run, intent, { source, records, signal: patient.signal })
      if (end.result !== 'done') return end
    }
    return undefined
  } finally {
    patient.clear()
  }
}

function notTakenBack(ladder: RecipeStep, rung: RecipeStep, { error, reason }: UndoEnd): StepEnd {
  const why = error?.message ?? reason ?? 'its undo failed'
  const text = `could not go on with \`${ladder.id}\`: what \`${rung.id}\` had begun is still there: ${why}`
  return {
    result: 'failed',
    error: errorFacts(
      new BerthError(
        'core/refused-not-undone',
        text,
        error?.hint === undefined ? {} : { hint: error.hint },
      ),
    ),
  }
}

function refusedEnd(
  ladder: RecipeStep,
  refused: readonly { rung: RecipeStep; end: StepEnd }[],
): AttemptEnd {
  const reasons = refused.map(
    ({ rung, end }) => `\`${rung.id}\`: ${end.error?.message ?? end.reason ?? end.result}`,
  )
  const facts = { refused: refused.map(({ rung }) => rung.id) }
  if (refused.every(({ end }) => end.result === 'skipped')) {
    return { end: { result: 'skipped', reason: reasons.join('; '), facts }, mayRetry: false }
  }
  const message = `could not run \`${ladder.id}\`: none of its alternatives ended well: ${reasons.join('; ')}`
  const hint = refused.findLast(({ end }) => end.error?.hint !== undefined)?.end.error?.hint
  const error = new BerthError('core/none-of', message, hint === undefined ? {} : { hint })
  return { end: { result: 'failed', error: errorFacts(error), facts }, mayRetry: true }
}
