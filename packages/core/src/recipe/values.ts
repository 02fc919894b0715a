import { BerthError } from '../error.ts'
import { evaluateText, type ExpressionContext } from '../expression/expression.ts'
import type { Recipe, VarDeclaration } from './recipe.ts'
import { excerptAt } from './recipe-node.ts'
import { didYouMean } from '../suggest.ts'

export type VarValue = string | number | boolean

export interface RecipeValues {
  vars: Record<string, VarValue>
  /** The declared secrets that the environment has. */
  secrets: Record<string, string>
  /** The whole environment: the given one and on top of it the recipe's own. Holds the secrets too. */
  env: Record<string, string>
}

export interface ValueSources {
  env: Record<string, string | undefined>
  /** From `--set`. */
  set: Record<string, string>
  platform?: ExpressionContext['platform']
}

/**
 * Gives every variable its value: `--set`, else its environment variable, else its default, else `''`; an empty one counts as unset.
 * A default that is a number or true/false makes that the variable's type. Throws with all the `problems` at once:
 * `recipe/missing-variable`, `recipe/bad-variable`, `recipe/unknown-variable`.
 */
export function resolveValues(recipe: Recipe, sources: ValueSources): RecipeValues {
  const { values, problems } = knownValues(recipe, sources)
  throwProblems(recipe, problems)
  return values
}

/** The values as far as they are known, and what is wrong with the others, which are `''`. */
export function knownValues(
  recipe: Recipe,
  sources: ValueSources,
): { values: RecipeValues; problems: BerthError[] } {
  const problems: BerthError[] = []
  const vars: Record<string, VarValue> = {}
  for (const [name, declaration] of Object.entries(recipe.vars)) {
    const value = valueOf(name, declaration, sources)
    if (value instanceof BerthError) {
      problems.push(value)
      vars[name] = ''
    } else {
      vars[name] = value
    }
  }
  for (const name of Object.keys(sources.set)) {
    if (!Object.hasOwn(recipe.vars, name)) {
      const message = `could not set \`${name}\`: the recipe declares no such variable`
      const hint = didYouMean(name, Object.keys(recipe.vars))
      problems.push(new BerthError('recipe/unknown-variable', message, { hint }))
    }
  }
  return { values: { vars, ...environments(recipe, vars, sources) }, problems }
}

function valueOf(
  name: string,
  declaration: VarDeclaration,
  sources: ValueSources,
): VarValue | BerthError {
  const { env, default: fallback, required } = declaration
  const set = Object.hasOwn(sources.set, name) ? sources.set[name] : undefined
  const text = set || (env === undefined ? undefined : sources.env[env])
  if (text) {
    return typedValue(name, text, declaration)
  }
  if (fallback !== undefined && fallback !== '') {
    return fallback
  }
  if (!required) {
    return ''
  }
  const why =
    env === undefined ? 'nothing sets it' : `the environment variable \`${env}\` is empty or unset`
  const how = env === undefined ? '' : `set \`${env}\`, or `
  const hint = `${how}give \`--set ${name}=…\``
  return variableProblem(
    'recipe/missing-variable',
    `the variable \`${name}\` is required, but ${why}`,
    {
      declaration,
      hint,
    },
  )
}

function typedValue(
  name: string,
  text: string,
  declaration: VarDeclaration,
): VarValue | BerthError {
  switch (typeof declaration.default) {
    case 'number': {
      const value = Number(text)
      if (Number.isFinite(value) && text.trim() !== '') {
        return value
      }
      const message = `the variable \`${name}\` must be a number, not \`${text}\``
      const hint = `its default is the number ${declaration.default}`
      return variableProblem('recipe/bad-variable', message, { declaration, hint })
    }
    case 'boolean': {
      if (text === 'true' || text === 'false') {
        return text === 'true'
      }
      const message = `the variable \`${name}\` must be true or false, not \`${text}\``
      return variableProblem('recipe/bad-variable', message, {
        declaration,
        hint: 'write `true` or `false`',
      })
    }
    default:
      return text
  }
}

function variableProblem(
  code: string,
  message: string,
  { declaration, hint }: { declaration: VarDeclaration; hint: string },
): BerthError {
  const excerpt = excerptAt(declaration.at)
  return new BerthError(code, message, {
    at: declaration.at,
    hint,
    ...(excerpt === undefined ? {} : { excerpt }),
  })
}

function throwProblems(recipe: Recipe, problems: BerthError[]): void {
  const [first] = problems
  if (first) {
    const count = problems.length === 1 ? 'a variable' : `${problems.length} variables`
    const message = `could not start \`${recipe.file}\`: ${count} cannot be set`
    throw new BerthError(first.code, message, { problems })
  }
}

function environments(
  recipe: Recipe,
  vars: RecipeValues['vars'],
  sources: ValueSources,
): Omit<RecipeValues, 'vars'> {
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(sources.env)) {
    if (value !== undefined) {
      given[name] = value
    }
  }
  const secrets: Record<string, string> = {}
  for (const name of recipe.secrets) {
    const value = given[name]
    if (value) {
      secrets[name] = value
    }
  }
  const context: ExpressionContext = {
    vars,
    env: Object.fromEntries(
      Object.entries(given).filter(([name]) => !recipe.secrets.includes(name)),
    ),
    secrets: {},
    steps: {},
    platform: sources.platform ?? {},
    status: 'success',
  }
  const own = Object.entries(recipe.env).map(([name, text]) => [name, evaluateText(text, context)])
  return { secrets, env: { ...given, ...Object.fromEntries(own) } }
}
