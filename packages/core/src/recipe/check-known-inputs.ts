import { knowable, safeParse } from './check-inputs.ts'
import { BerthError, isBerthError } from '../error.ts'
import { inputShape } from '../run/evaluate-inputs.ts'
import type { PipelineName } from '../event.ts'
import {
  evaluateCondition,
  evaluateValue,
  type ExpressionContext,
} from '../expression/expression.ts'
import { expressionsIn, namesContext } from './output-references.ts'
import {
  expressionContext,
  stepDirectory,
  stepEnvironment,
  type StepSurroundings,
} from '../run/prepare-step.ts'
import { problem } from './recipe-node.ts'
import { recipeMask } from './recipe-mask.ts'
import type { Recipe, RecipeStep } from './recipe.ts'
import { shapeProblems } from './shape-problems.ts'
import type { RecipeValues } from './values.ts'

export interface KnownInputsQuestion {
  recipe: Recipe
  values: RecipeValues
  platform: ExpressionContext['platform']
  /** Those that are about to run, and those that will have to. */
  pipelines: readonly PipelineName[]
  /** Where the relative directories of steps start; the process's own directory unless given. */
  workingDirectory?: string
}

/**
 * Checks the inputs of steps with the values of variables, before anything has run: a store URL with a typo in the environment would
 * otherwise be found by the first save, when the pod ends. What depends on another step counts as right, and so does a step that is
 * optional, or whose `if` is not known to hold. Throws `recipe/invalid-input` with all the `problems`, secrets masked.
 */
export function checkKnownInputs({ pipelines, ...rest }: KnownInputsQuestion): void {
  const { recipe, values, workingDirectory = process.cwd() } = rest
  const problems = pipelines.flatMap((pipeline) => {
    const surroundings = { ...rest, pipeline, workingDirectory }
    return (recipe.pipelines[pipeline] ?? []).flatMap((step) => stepProblems(surroundings, step))
  })
  if (problems.length === 0) return
  const mask = recipeMask(values)
  const count = problems.length === 1 ? 'an input is' : `${problems.length} inputs are`
  throw new BerthError(
    'recipe/invalid-input',
    `could not start \`${recipe.file}\`: ${count} not right`,
    {
      hint: 'correct the recipe or what sets its variables; nothing has been run',
      problems: problems.map(
        ({ code, message, hint, at, excerpt }) =>
          new BerthError(code, mask.text(message), {
            ...(hint === undefined ? {} : { hint: mask.text(hint) }),
            ...(at === undefined ? {} : { at }),
            ...(excerpt === undefined ? {} : { excerpt }),
          }),
      ),
    },
  )
}

function stepProblems(surroundings: StepSurroundings, step: RecipeStep): readonly BerthError[] {
  const { uses } = step
  const context = uses === undefined || step.optional ? undefined : knownContext(surroundings, step)
  if (uses === undefined || context === undefined) return []
  const values = knownValue(step.inputs, context)
  const result = safeParse(uses.definition.inputs, values)
  if (result === undefined) return []
  if (!result.success) {
    return shapeProblems(knowable(result.error.issues, values), inputShape(step, values))
  }
  if (isOpen([step.inputs, step.workingDirectory], context)) return []
  try {
    const workingDirectory = stepDirectory(surroundings, step, context)
    uses.definition.check?.({ inputs: result.data, env: context.env, workingDirectory })
    return []
  } catch (error) {
    if (!isBerthError(error)) throw error
    return [problem(error.code, error.message, step.at, error.hint)]
  }
}

interface KnownContext extends ExpressionContext {
  env: Record<string, string>
  /** The step's own environment depends on other steps. */
  hasOpenEnv: boolean
}

/** What the step's expressions will see, without other steps; undefined when it may be skipped. */
function knownContext(surroundings: StepSurroundings, step: RecipeStep): KnownContext | undefined {
  const context = expressionContext(surroundings, step, {}, 'success')
  try {
    if (step.if !== undefined) {
      if (namesContext(step.if, 'steps')) return undefined
      if (!evaluateCondition(step.if, context)) return undefined
    }
    const env = stepEnvironment(surroundings, step, context)
    const hasOpenEnv = expressionsIn(step.env).some((text) => namesContext(text, 'steps'))
    return { ...context, env, hasOpenEnv }
  } catch (error) {
    if (!isBerthError(error)) throw error
    return undefined
  }
}

/** Every text whose expressions name no other step with its value; the others as they are written. */
function knownValue(value: unknown, context: KnownContext): unknown {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value)
      ? value.map((item) => knownValue(item, context))
      : Object.fromEntries(
          Object.entries(value).map(([key, item]) => [key, knownValue(item, context)]),
        )
  }
  if (isOpen(value, context)) return value
  try {
    return evaluateValue(value, context)
  } catch (error) {
    if (!isBerthError(error)) throw error
    return value
  }
}

/** Says whether a value depends on what other steps find. */
function isOpen(value: unknown, { hasOpenEnv }: KnownContext): boolean {
  return expressionsIn(value).some(
    (text) => namesContext(text, 'steps') || (hasOpenEnv && namesContext(text, 'env')),
  )
}
