import { BerthError } from '../error.ts'
import { buildRecipe } from './build-recipe.ts'
import { expressionProblems } from './check-expressions.ts'
import { inputProblems } from './check-inputs.ts'
import { laterProblems } from './check-later-keys.ts'
import { readyProblems } from './check-main.ts'
import { checkOrder } from './check-order.ts'
import { checkShape } from './check-shape.ts'
import { groupProblems, keyProblems } from './check-step-keys.ts'
import { findStep } from './check-steps.ts'
import { variableProblems } from './check-variables.ts'
import { declared } from '../expression/expression-scope.ts'
import { loadRecipe, readRecipeText } from './load-recipe.ts'
import type { PluginRegistry } from '../plugin/plugin.ts'
import type { Recipe } from './recipe.ts'
import type { MapNode } from './recipe-node.ts'
import { collectSteps, withRungs } from './step-draft.ts'

/**
 * Reads and validates a recipe file; the environment is not looked at and nothing is evaluated. Throws `recipe/not-found`,
 * `recipe/unreadable`, or `recipe/invalid` with everything that is wrong with it as `problems`.
 */
export async function readRecipe(file: string, plugins: PluginRegistry): Promise<Recipe> {
  return checkRecipe(await readRecipeText(file), { file, plugins })
}

/**
 * Validates recipe text as if it stood in `file`, from whose directory `extends` is read. Loads only the plugins that it names. Throws
 * `recipe/invalid` with everything that is wrong with it as `problems`, in the order of the text.
 */
export async function checkRecipe(
  text: string,
  options: { file: string; plugins: PluginRegistry },
): Promise<Recipe> {
  const { file, plugins } = options
  const { root, problems } = await loadRecipe(text, file)
  const checked = root && (await checkLoaded(root, { file, plugins }))
  const all = [...problems, ...(checked?.problems ?? [])]
  if (all.length > 0 || !checked?.recipe) {
    throw invalidRecipe(file, inOrder(all, file))
  }
  return checked.recipe
}

interface Checked {
  recipe: Recipe | undefined
  problems: BerthError[]
}

async function checkLoaded(
  root: MapNode,
  { file, plugins }: { file: string; plugins: PluginRegistry },
): Promise<Checked> {
  const shape = checkShape(root)
  const drafts = collectSteps(root)
  const all = withRungs(drafts)
  const problems = [
    ...shape.problems,
    ...variableProblems(root),
    ...readyProblems(root),
    ...groupProblems(drafts),
    ...laterProblems(root, all),
  ]
  const secrets = new Set(declared(root).secrets)
  for (const draft of all) {
    problems.push(...keyProblems(draft, secrets), ...(await findStep(draft, plugins)))
    problems.push(...inputProblems(draft))
  }
  const { orders, problems: orderProblems } = checkOrder(drafts)
  problems.push(...orderProblems, ...expressionProblems({ root, drafts, orders }))
  const recipe =
    shape.document && problems.length === 0
      ? buildRecipe({ file, document: shape.document, root, drafts, orders })
      : undefined
  return { recipe, problems }
}

// A value that is wrong from the ground up makes later checks stumble over the same place.
const hiding = new Set(['recipe/bad-alias', 'recipe/wrong-type', 'recipe/bad-value'])

/** In the order of the text, the recipe's own file first; an alias shows its anchor's problem once, however often it is used. */
function inOrder(problems: readonly BerthError[], file: string): BerthError[] {
  const seen = new Set<string>()
  const causes = new Map<string, string>()
  const place = ({ at }: BerthError): string => `${at?.file}:${at?.line}:${at?.column}`
  return problems
    .filter((error) => {
      const where = place(error)
      const key = `${where} ${error.code} ${error.message}`
      const isNew = !seen.has(key) && (causes.get(where) ?? error.code) === error.code
      seen.add(key)
      if (hiding.has(error.code)) {
        causes.set(where, error.code)
      }
      return isNew
    })
    .toSorted((left, right) => {
      const files = Number(left.at?.file !== file) - Number(right.at?.file !== file)
      const lines = (left.at?.line ?? 0) - (right.at?.line ?? 0)
      return files || lines || (left.at?.column ?? 0) - (right.at?.column ?? 0)
    })
}

function invalidRecipe(file: string, problems: readonly BerthError[]): BerthError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  const hint = 'correct the recipe; nothing has been run'
  return new BerthError('recipe/invalid', `the recipe \`${file}\` has ${count}`, { hint, problems })
}
