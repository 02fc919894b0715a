import { resolve } from 'node:path'
import { evaluateInputs } from './evaluate-inputs.ts'
import { evaluateText, type ExpressionContext } from '../expression/expression.ts'
import type { PipelineName } from '../event.ts'
import type { Recipe, RecipeStep } from '../recipe/recipe.ts'
import type { RecipeValues } from '../recipe/values.ts'

/** Everything of a step that is evaluated just before it starts. */
export interface PreparedStep {
  /** Validated inputs of a `uses` step. */
  inputs: unknown
  /** The script of a `run` step. */
  script: string
  env: Record<string, string>
  workingDirectory: string
}

export interface StepSurroundings {
  recipe: Recipe
  values: RecipeValues
  platform: ExpressionContext['platform']
  pipeline: PipelineName
  workingDirectory: string
}

/** What the expressions of a step see: of the secrets in the environment only those that the step may read. */
export function expressionContext(
  surroundings: StepSurroundings,
  step: RecipeStep,
  steps: ExpressionContext['steps'],
  status: ExpressionContext['status'],
): ExpressionContext {
  const { recipe, values, platform, pipeline } = surroundings
  return {
    vars: values.vars,
    env: visibleEnvironment(recipe, step, values.env),
    secrets: values.secrets,
    steps,
    platform,
    pipeline,
    status,
  }
}

/** Evaluates the step's environment, directory, and inputs or script. Throws BerthErrors with the place in the recipe. */
export function prepareStep(
  surroundings: StepSurroundings,
  step: RecipeStep,
  context: ExpressionContext,
): PreparedStep {
  const env = stepEnvironment(surroundings, step, context)
  const inner = { ...context, env }
  return {
    inputs: step.uses === undefined ? undefined : evaluateInputs(step, inner),
    script: step.run === undefined ? '' : evaluateText(step.run, inner),
    env,
    workingDirectory: stepDirectory(surroundings, step, inner),
  }
}

/** The environment that a step runs in: the recipe's, the step's own on top, without the secrets that aren't for it. */
export function stepEnvironment(
  { recipe, values }: Pick<StepSurroundings, 'recipe' | 'values'>,
  step: RecipeStep,
  context: ExpressionContext,
): Record<string, string> {
  const own = Object.entries(step.env).map(([name, text]) => [name, evaluateText(text, context)])
  return { ...visibleEnvironment(recipe, step, values.env), ...Object.fromEntries(own) }
}

/** The step's directory, absolute. */
export function stepDirectory(
  { workingDirectory }: Pick<StepSurroundings, 'workingDirectory'>,
  step: RecipeStep,
  context: ExpressionContext,
): string {
  return resolve(workingDirectory, evaluateText(step.workingDirectory ?? '', context))
}

/** The environment without the declared secrets that the step neither names nor, by its definition, reads. */
function visibleEnvironment(
  recipe: Recipe,
  step: RecipeStep,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const allowed = new Set([...step.secrets, ...(step.uses?.definition.reads ?? [])])
  const withheld = new Set(recipe.secrets.filter((name) => !allowed.has(name)))
  return Object.fromEntries(Object.entries(env).filter(([name]) => !withheld.has(name)))
}
