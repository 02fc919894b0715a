import path from 'node:path'
import { BerthError } from '../error.ts'
import { buildRecipe } from './build-recipe.ts'
import { expressionProblems } from './check-expressions.ts'
import { inputProblems } from './check-inputs.ts'
import { readyProblems } from './check-main.ts'
import { checkOrder } from './check-order.ts'
import { checkShape } from './check-shape.ts'
import { groupProblems, keyProblems } from './check-step-keys.ts'
import { variableProblems } from './check-variables.ts'
import { declared } from '../expression/expression-scope.ts'
import { loadRecipe } from './load-recipe.ts'
import type { PluginRegistry } from '../plugin/plugin.ts'
import type { Recipe } from './recipe.ts'
import { recipeFiles, type RecipeFiles } from './recipe-files.ts'
import type { MapNode } from './recipe-node.ts'
import { stepFinder } from './step-finder.ts'
import { collectSteps, withRungs } from './step-draft.ts'

export interface RecipeParts {
  /** A recipe that is merged on top, last; nothing where there is no such file. */
  overlay?: string | undefined
  /** The `texts` of an earlier reading, which stand for the files whatever has become of them. */
  texts?: Readonly<Record<string, string>> | undefined
}

/**
 * Reads and validates a recipe file with all that it is made of; the environment is not looked at and nothing is evaluated. Throws
 * `recipe/not-found`, `recipe/unreadable`, or `recipe/invalid` with everything that is wrong with it as `problems`.
 */
export async function readRecipe(
  file: string,
  plugins: PluginRegistry,
  { overlay, texts }: RecipeParts = {},
): Promise<Recipe> {
  const files = recipeFiles(texts)
  return checkText(await files.read(file), { file, plugins, overlay, files })
}

/**
 * Validates recipe text as if it stood in `file`, from whose directory `extends` is read. Loads only the plugins that it names. Throws
 * `recipe/invalid` with everything that is wrong with it as `problems`, in the order of the text.
 */
export async function checkRecipe(
  text: string,
  { file, plugins, overlay, texts }: RecipeParts & { file: string; plugins: PluginRegistry },
): Promise<Recipe> {
  const files = recipeFiles(texts)
  files.texts[path.resolve(file)] = text
  return checkText(text, { file, plugins, overlay, files })
}

interface Question {
  file: string
  plugins: PluginRegistry
  overlay: string | undefined
  files: RecipeFiles
}

async function checkText(text: string, question: Question): Promise<Recipe> {
  const { file, overlay, files } = question
  const { root, problems } = await loadRecipe(text, { file, overlay }, files)
  const checked = root && (await checkLoaded(root, question))
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

async function checkLoaded(root: MapNode, { file, files, plugins }: Question): Promise<Checked> {
  const shape = checkShape(root)
  const drafts = collectSteps(root)
  const all = withRungs(drafts)
  const problems = [
    ...shape.problems,
    ...variableProblems(root),
    ...readyProblems(root),
    ...groupProblems(drafts),
  ]
  const secrets = new Set(declared(root).secrets)
  const find = stepFinder({ plugins, files })
  for (const draft of all) {
    problems.push(...keyProblems(draft, secrets), ...(await find(draft)))
    problems.push(...inputProblems(draft))
  }
  const { orders, problems: orderProblems } = checkOrder(drafts)
  problems.push(...orderProblems, ...expressionProblems({ root, drafts, orders }))
  const recipe =
    shape.document && problems.length === 0
      ? buildRecipe({ file, texts: files.texts, document: shape.document, root, drafts, orders })
      : undefined
  return { recipe, problems }
}

// A value that is wrong from the ground up makes later checks stumble over the same place.
const hiding = new Set(['recipe/bad-alias', 'recipe/wrong-type', 'recipe/bad-value'])

/** In the order of the text, the recipe's own file first and each other one apart; an alias shows its anchor's problem once, however often it is used. */
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
      const files = fileRank(left, file).localeCompare(fileRank(right, file), 'en')
      const lines = (left.at?.line ?? 0) - (right.at?.line ?? 0)
      return files || lines || (left.at?.column ?? 0) - (right.at?.column ?? 0)
    })
}

function fileRank({ at }: BerthError, file: string): string {
  return at === undefined || at.file === file ? '' : at.file
}

function invalidRecipe(file: string, problems: readonly BerthError[]): BerthError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  const hint = 'correct the recipe; nothing has been run'
  return new BerthError('recipe/invalid', `the recipe \`${file}\` has ${count}`, { hint, problems })
}
