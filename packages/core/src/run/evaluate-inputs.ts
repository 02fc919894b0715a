import { z } from 'zod'
import { BerthError, isBerthError } from '../error.ts'
import { ownerOf, valueAt } from '../recipe/check-inputs.ts'
import { evaluateValue, type ExpressionContext } from '../expression/expression.ts'
import type { RecipeStep } from '../recipe/recipe.ts'
import { problem, type Path } from '../recipe/recipe-node.ts'
import { shapeProblems, type Shape } from '../recipe/shape-problems.ts'

/**
 * A step's inputs with their expressions evaluated, validated and with the plugin's defaults, as `run` and `plan` take them. A `run`
 * step has none: `{}`. Throws `recipe/invalid-input` with all the `problems`, each with its place in the recipe.
 */
export function evaluateInputs(step: RecipeStep, context: ExpressionContext): unknown {
  if (!step.uses) {
    return {}
  }
  const { definition } = step.uses
  const values = evaluated(step, context)
  const result = definition.inputs.safeParse(values)
  if (result.success) {
    return result.data
  }
  throw invalidInput(step, shapeProblems(result.error.issues, inputShape(step, values)))
}

/** How to speak of a step's inputs, as they were given or with the values of their expressions. */
export function inputShape(step: RecipeStep, values: unknown): Shape {
  const { name = '', definition } = step.uses ?? {}
  const positionOf = (path: Path) => step.positionOf(['with', ...(path as (string | number)[])])
  return {
    schema: definition?.inputs ?? z.unknown(),
    noun: 'input',
    owner: (path) => ownerOf(name, path),
    valueAt: (path) => valueAt(values, path),
    positionOf,
    keyPositionOf: positionOf,
  }
}

function evaluated(step: RecipeStep, context: ExpressionContext): unknown {
  const values: Record<string, unknown> = {}
  const problems: BerthError[] = []
  for (const [key, value] of Object.entries(step.inputs)) {
    try {
      values[key] = evaluateValue(value, context)
    } catch (error) {
      if (!isBerthError(error)) {
        throw error
      }
      problems.push(problem(error.code, error.message, step.positionOf(['with', key]), error.hint))
    }
  }
  if (problems.length > 0) {
    throw invalidInput(step, problems)
  }
  return values
}

function invalidInput(step: RecipeStep, problems: BerthError[]): BerthError {
  const [first] = problems
  const message = `the inputs of the step \`${step.id}\` are not right`
  return new BerthError('recipe/invalid-input', first ? `${message}: ${first.message}` : message, {
    problems,
    ...(first?.at ? { at: first.at } : {}),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
    ...(first?.excerpt === undefined ? {} : { excerpt: first.excerpt }),
  })
}
