import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { BerthError } from '../error.ts'
import { mergeRecipes } from './merge-recipes.ts'
import { parseRecipe } from './parse-recipe.ts'
import { nodeAt, problem, textAt, type MapNode, type RecipeNode } from './recipe-node.ts'
import { describeValue } from './shape-problems.ts'

export interface LoadedRecipe {
  /** Absent when nothing can be said about the text beyond the problems. */
  root: MapNode | undefined
  problems: BerthError[]
}

/**
 * Reads a recipe file. Throws `recipe/not-found` when it isn't there and `recipe/unreadable` when it can't be read or isn't UTF-8.
 */
export async function readRecipeText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const hint = 'check the path; it is relative to the current directory'
      throw new BerthError('recipe/not-found', `there is no recipe \`${file}\``, { hint, cause })
    }
    const reasons: Record<string, string> = {
      EISDIR: 'it is a directory',
      EACCES: 'permission is denied',
      ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
    }
    const reason = reasons[String(code)] ?? (cause instanceof Error ? cause.message : String(cause))
    throw new BerthError('recipe/unreadable', `could not read the recipe \`${file}\`: ${reason}`, {
      hint: 'name a text file that this user may read',
      cause,
    })
  }
}

/** Parses recipe text, puts it on top of what it `extends`, and drops the top-level keys that begin with `x-`. */
export async function loadRecipe(text: string, file: string): Promise<LoadedRecipe> {
  return loadOnto(text, file, [path.resolve(file)])
}

async function loadOnto(
  text: string,
  file: string,
  chain: readonly string[],
): Promise<LoadedRecipe> {
  const { source, root, problems } = parseRecipe(text, file)
  if (!root) {
    if (problems.length === 0) {
      const span = { source, start: 0, end: 1 }
      problems.push(
        problem('recipe/empty', 'the recipe is empty', span, 'give it at least `boot: []`'),
      )
    }
    return { root, problems }
  }
  if (root.kind !== 'map') {
    const value = root.kind === 'list' ? [] : root.value
    const message = `a recipe must be a map, not ${describeValue(value)}`
    problems.push(problem('recipe/wrong-type', message, root, 'begin with a key such as `boot:`'))
    return { root: undefined, problems }
  }
  const own = withoutExtensionKeys(root)
  const target = nodeAt(own, ['extends'])
  const base = target && (await loadBase(target, file, chain))
  return {
    root: base?.root ? mergeRecipes(base.root, own) : own,
    problems: [...problems, ...(base?.problems ?? [])],
  }
}

async function loadBase(
  target: RecipeNode,
  file: string,
  chain: readonly string[],
): Promise<LoadedRecipe> {
  const name = textAt(target, [])
  if (name === undefined || name === '' || name.includes('${{')) {
    // Its shape is a problem of its own.
    return { root: undefined, problems: [] }
  }
  const baseFile = path.isAbsolute(name) ? name : path.join(path.dirname(file), name)
  const resolved = path.resolve(baseFile)
  if (chain.includes(resolved)) {
    const message = `\`${name}\` extends this recipe, directly or through others`
    return { root: undefined, problems: [problem('recipe/extends-circle', message, target)] }
  }
  try {
    return await loadOnto(await readRecipeText(baseFile), baseFile, [...chain, resolved])
  } catch (error) {
    if (!(error instanceof BerthError)) {
      throw error
    }
    const hint = 'the path is relative to the recipe that extends it'
    return { root: undefined, problems: [problem(error.code, error.message, target, hint)] }
  }
}

function withoutExtensionKeys(root: MapNode): MapNode {
  const entries = [...root.entries].filter(([key]) => !key.startsWith('x-'))
  return { ...root, entries: new Map(entries) }
}
