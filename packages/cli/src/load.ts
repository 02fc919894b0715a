import {
  type AcquireLease,
  checkRecipe,
  type ExpressionContext,
  readRecipe,
  type Recipe,
  type RecipeValues,
  resolveValues,
} from '@berth/core'
import { detectPlatform, type PlatformFacts } from '@berth/platform'
import { hideVariables } from './output-mask.ts'
import { plugins } from './plugins.ts'

/** A recipe with everything that its expressions can see before a step has run. */
export interface LoadedRecipe {
  recipe: Recipe
  values: RecipeValues
  platform: ExpressionContext['platform']
  platformFacts: PlatformFacts
  acquireLease: AcquireLease
}

export interface LoadRequest {
  file: string
  /** The text to use in the place of the file's. */
  text?: string | undefined
  set: Record<string, string>
  env: NodeJS.ProcessEnv
}

/** Reads and validates a recipe and gives its variables their values. Throws BerthErrors `recipe/…`; nothing has run by then. */
export async function loadRecipe({ file, text, set, env }: LoadRequest): Promise<LoadedRecipe> {
  const [recipe, platformFacts] = await Promise.all([
    text === undefined ? readRecipe(file, plugins) : checkRecipe(text, { file, plugins }),
    detectPlatform({ env }),
  ])
  hideVariables(recipe.secrets)
  const platform = expressionPlatform(platformFacts)
  const values = resolveValues(recipe, { env, set, platform })
  return { recipe, values, platform, platformFacts, acquireLease }
}

/** Loads what it needs when a step has a lock. */
const acquireLease: AcquireLease = async (settings) =>
  (await import('@berth/filesystem')).acquireLease(settings)

/** What `platform.…` in a recipe can name: of the facts those that are text or true/false, numbers as text. */
function expressionPlatform(facts: PlatformFacts): ExpressionContext['platform'] {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'boolean' ? value : String(value ?? ''),
    ]),
  )
}
