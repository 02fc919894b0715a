import { errorFacts, type ErrorFacts } from '../error.ts'
import type { PipelineName, StepResult } from '../event.ts'
import { evaluateCondition, type ExpressionContext } from '../expression/expression.ts'
import type { Mask } from '../mask/mask.ts'
import type { PlannedAction, StepContext } from '../plugin/plugin.ts'
import {
  expressionContext,
  type PreparedStep,
  prepareStep,
  type StepSurroundings,
} from './prepare-step.ts'
import { recipeMask } from '../recipe/recipe-mask.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import { createShell } from '../command/shell.ts'
import { createStepVoice } from './step-log.ts'
import { describeThrown } from '../thrown.ts'
import { type OutputReference, outputReferences } from '../recipe/output-references.ts'
import type { RecipeValues } from '../recipe/values.ts'

export interface PlanOptions {
  recipe: Recipe
  pipeline: PipelineName
  values: RecipeValues
  platform: ExpressionContext['platform']
  signal?: AbortSignal
  /** Where the relative directories of steps start; the process's own directory unless given. */
  workingDirectory?: string
  /** What is known of other pipelines' steps, from a run or from their plan. */
  steps?: ExpressionContext['steps']
}

/** What a step would do; with `error`, why that could not be found out. */
export interface PlannedStep extends PlannedAction {
  id: string
  name: string
  needs: string[]
  optional: boolean
  /** It begins after main. */
  deferred?: true
  /** Of a ladder: what each rung would do were it tried. */
  rungs?: PlannedRung[]
  error?: ErrorFacts
}

export interface PlannedRung extends PlannedAction {
  id: string
  name: string
  error?: ErrorFacts
}

/**
 * What a pipeline would do, in the order of the recipe, and writes nothing. A step whose inputs come from an earlier step is planned with
 * the `facts` of that step's plan; where those don't hold the output, its action is `unknown`.
 */
export async function planPipeline(options: PlanOptions): Promise<PlannedStep[]> {
  const { recipe, pipeline, values, platform } = options
  const workingDirectory = options.workingDirectory ?? process.cwd()
  const surroundings: StepSurroundings = { recipe, pipeline, values, platform, workingDirectory }
  const mask = recipeMask(values)
  const signal = options.signal ?? new AbortController().signal
  const known: ExpressionContext['steps'] = { ...options.steps }
  const planned: PlannedStep[] = []
  for (const step of inOrder(recipe.pipelines[pipeline] ?? [])) {
    const action = await planItem(surroundings, step, { known, mask, signal })
    const { id, name, needs, optional } = step
    const deferred = step.defer ? { deferred: true as const } : {}
    // What is shown is masked; what later steps are planned with is not.
    planned.push({ id, name, needs, optional, ...deferred, ...mask.value(action) })
    known[id] = { outputs: action.facts ?? {}, result: resultOf(action) }
  }
  return planned
}

/** Each step after those that it needs, otherwise as written. */
function inOrder(steps: readonly RecipeStep[]): RecipeStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const ordered = new Set<RecipeStep>()
  const add = (step: RecipeStep) => {
    for (const id of step.needs) {
      const needed = byId.get(id)
      if (needed !== undefined && !ordered.has(needed)) add(needed)
    }
    ordered.add(step)
  }
  steps.forEach(add)
  return [...ordered]
}

interface PlanSurroundings {
  known: ExpressionContext['steps']
  mask: Mask
  signal: AbortSignal
}

type Planned = PlannedAction & { error?: ErrorFacts }

async function planItem(
  surroundings: StepSurroundings,
  step: RecipeStep,
  around: PlanSurroundings,
): Promise<Planned & { rungs?: PlannedRung[] }> {
  const planned = await planStep(surroundings, step, around)
  if (step.anyOf === undefined || planned.action !== 'run') return planned
  const rungs: PlannedRung[] = []
  for (const rung of step.anyOf) {
    const { id, name } = rung
    rungs.push({ id, name, ...(await planStep(surroundings, rung, around)) })
  }
  return { ...planOfLadder(rungs), rungs }
}

/** A plan takes it that what would be done ends well; a rung that can't be planned may still be the one. */
function planOfLadder(rungs: readonly PlannedRung[]): PlannedAction {
  const first = rungs.find(({ action }) => action !== 'skipped')
  if (first === undefined) {
    return { action: 'skipped', summary: 'none of its alternatives has anything to do' }
  }
  const summary = `tries \`${first.id}\` first: ${first.summary}`
  return first.action === 'unknown'
    ? { action: 'unknown', summary }
    : { action: first.action, summary, facts: { ...first.facts, chosen: first.id } }
}

async function planStep(
  surroundings: StepSurroundings,
  step: RecipeStep,
  { known, mask, signal }: PlanSurroundings,
): Promise<Planned> {
  const missing = outputReferences(step).find((reference) => !isKnown(reference, known))
  if (missing !== undefined) {
    const what = missing.step === undefined ? 'another step' : `\`${missing.step}\``
    return { action: 'unknown', summary: `depends on what ${what} finds` }
  }
  try {
    const context = expressionContext(surroundings, step, known, 'success')
    if (step.if !== undefined && !evaluateCondition(step.if, context)) {
      return { action: 'skipped', summary: `\`if: ${step.if}\` does not hold` }
    }
    if (step.anyOf !== undefined) return { action: 'run', summary: 'tries its alternatives' }
    const prepared = prepareStep(surroundings, step, context)
    if (step.uses === undefined)
      return { action: 'run', summary: `runs \`${firstLine(prepared.script)}\`` }
    return await step.uses.definition.plan(planContext(surroundings, prepared, { mask, signal }))
  } catch (error) {
    const facts = errorFacts(describeThrown(error))
    return { action: 'unknown', summary: `could not be planned: ${facts.message}`, error: facts }
  }
}

function planContext(
  { pipeline }: StepSurroundings,
  { env, workingDirectory, inputs }: PreparedStep,
  { mask, signal }: Pick<PlanSurroundings, 'mask' | 'signal'>,
): Omit<StepContext, 'willUndo' | 'progress'> {
  const silence = () => {}
  return {
    inputs,
    env,
    workingDirectory,
    $: createShell({ env, workingDirectory, signal, mask, onLine: silence }),
    log: createStepVoice('', { emit: silence, emitMasked: silence }).log,
    signal,
    script: () => Promise.reject(new TypeError('a plan runs no script')),
    deadline: undefined,
    pipeline,
    wasUsed: true,
    periodic: false,
    attempt: 1,
  }
}

/** What a skipped step never set is known: it is empty. */
function isKnown({ step, output }: OutputReference, known: ExpressionContext['steps']): boolean {
  const record = step === undefined ? undefined : known[step]
  if (record === undefined) return false
  if (record.result === 'skipped') return true
  return output !== undefined && Object.hasOwn(record.outputs, output)
}

function resultOf({ action }: PlannedAction): StepResult {
  return action === 'unchanged' || action === 'skipped' ? action : 'done'
}

function firstLine(script: string): string {
  const [first = '', ...more] = script.trim().split('\n')
  return more.length === 0 ? first : `${first} …`
}
