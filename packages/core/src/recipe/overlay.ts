import path from 'node:path'
import { evaluateText } from '../expression/expression.ts'
import type { Recipe } from './recipe.ts'
import { knownValues, type ValueSources } from './values.ts'

/**
 * Where a recipe says that its overlay may lie, absolute; undefined where it names none. A variable that has no value yet is empty: the
 * overlay may be what sets it. Throws for an expression that can't be evaluated.
 */
export function overlayOf(recipe: Recipe, sources: ValueSources): string | undefined {
  if (recipe.overlay === undefined) return undefined
  const { vars, env } = knownValues(recipe, sources).values
  const visible = Object.entries(env).filter(([name]) => !recipe.secrets.includes(name))
  const file = evaluateText(recipe.overlay, {
    vars,
    env: Object.fromEntries(visible),
    secrets: {},
    steps: {},
    platform: sources.platform ?? {},
    status: 'success',
  }).trim()
  return file === '' ? undefined : path.resolve(recipe.directory, file)
}
