import path from 'node:path'
import { BerthError } from '../error.ts'
import type { PluginRegistry, StepDefinition } from '../plugin/plugin.ts'
import { parseRecipe } from './parse-recipe.ts'
import { recipeFiles } from './recipe-files.ts'
import { stepFinder } from './step-finder.ts'
import { collectSteps } from './step-draft.ts'

/**
 * The step that a folder with a `plugin.yaml` offers, as `uses` of a recipe in the current directory names it. Throws `recipe/invalid` with
 * all that is wrong with it.
 */
export async function readPluginFolder(
  uses: string,
  plugins: PluginRegistry,
): Promise<StepDefinition> {
  const file = path.resolve('recipe.yaml')
  const { root } = parseRecipe(`boot: [{ uses: ${JSON.stringify(uses)} }]\n`, file)
  const [draft] = root === undefined ? [] : collectSteps(root)
  if (draft === undefined) throw new TypeError(`no step can use \`${uses}\``)
  const problems = await stepFinder({ plugins, files: recipeFiles() })(draft)
  if (draft.uses !== undefined) return draft.uses.definition
  const message = `the plugin \`${uses}\` can't be used`
  const [first] = problems
  throw new BerthError('recipe/invalid', message, {
    hint: first?.hint ?? 'correct its `plugin.yaml`',
    problems,
  })
}
