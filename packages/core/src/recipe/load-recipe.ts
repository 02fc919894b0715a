import path from 'node:path'
import { BerthError } from '../error.ts'
import { mergeRecipes } from './merge-recipes.ts'
import { parseRecipe } from './parse-recipe.ts'
import type { RecipeFiles } from './recipe-files.ts'
import {
  keySpan,
  nodeAt,
  problem,
  textAt,
  type MapNode,
  type RecipeNode,
  type SourceOrigin,
} from './recipe-node.ts'
import { describeValue } from './shape-problems.ts'

export interface LoadedRecipe {
  /** Absent when nothing can be said about the text beyond the problems. */
  root: MapNode | undefined
  problems: BerthError[]
}

export interface RecipeLocation {
  file: string
  /** A recipe to merge on top; nothing where there is no such file. */
  overlay?: string | undefined
}

/**
 * Parses recipe text, puts it on top of what it `extends` and its overlay on top of it, and drops the top-level keys that begin with
 * `x-`.
 */
export async function loadRecipe(
  text: string,
  { file, overlay }: RecipeLocation,
  files: RecipeFiles,
): Promise<LoadedRecipe> {
  const loader: Loader = { files, merged: new Set() }
  const loaded = await loadOnto(loader, { text, file, chain: [path.resolve(file)] })
  return overlay === undefined ? loaded : withOverlay(loaded, overlay, files)
}

interface Loader {
  files: RecipeFiles
  /** A base of two bases is merged once, below both. */
  merged: Set<string>
}

interface Layer {
  text: string
  file: string
  chain: readonly string[]
  origin?: SourceOrigin
}

async function loadOnto(loader: Loader, layer: Layer): Promise<LoadedRecipe> {
  const { root, problems } = parseLayer(layer)
  if (root === undefined) return { root, problems }
  let below: MapNode | undefined
  for (const target of basesOf(root)) {
    const base = await loadBase(loader, target, layer)
    problems.push(...base.problems)
    below = base.root && below ? merged(below, base.root, problems) : (base.root ?? below)
  }
  return { root: below ? merged(below, root, problems) : root, problems }
}

function merged(below: MapNode, above: MapNode, problems: BerthError[]): MapNode {
  const result = mergeRecipes(below, above)
  problems.push(...result.problems)
  return result.root
}

function parseLayer({ text, file, origin }: Omit<Layer, 'chain'>): LoadedRecipe {
  const { source, root, problems } = parseRecipe(text, file, origin)
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
  return { root: withoutExtensionKeys(root), problems }
}

/** One name, or a list of them. */
function basesOf(root: MapNode): RecipeNode[] {
  const target = nodeAt(root, ['extends'])
  if (target === undefined) return []
  return target.kind === 'list' ? target.items : [target]
}

async function loadBase(
  loader: Loader,
  target: RecipeNode,
  { file, chain }: Layer,
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
  if (loader.merged.has(resolved)) return { root: undefined, problems: [] }
  loader.merged.add(resolved)
  try {
    const text = await loader.files.read(baseFile)
    const origin = { word: 'extended', span: target } as const
    return await loadOnto(loader, { text, file: baseFile, chain: [...chain, resolved], origin })
  } catch (error) {
    if (!(error instanceof BerthError)) {
      throw error
    }
    const hint = 'the path is relative to the recipe that extends it'
    return { root: undefined, problems: [problem(error.code, error.message, target, hint)] }
  }
}

async function withOverlay(
  { root, problems }: LoadedRecipe,
  file: string,
  files: RecipeFiles,
): Promise<LoadedRecipe> {
  const text = await overlayText(file, files)
  if (text === undefined) return { root, problems }
  const overlay = parseLayer({ text, file })
  const found = [...problems, ...overlay.problems]
  if (root === undefined || overlay.root === undefined) return { root, problems: found }
  for (const key of ['extends', 'overlay']) {
    if (!overlay.root.entries.has(key)) continue
    const message = `an overlay lies on top of every other file and has no \`${key}\` of its own`
    const hint = 'remove it'
    found.push(problem('recipe/misplaced-key', message, keySpan(overlay.root, [key]), hint))
  }
  return { root: merged(root, overlay.root, found), problems: found }
}

async function overlayText(file: string, files: RecipeFiles): Promise<string | undefined> {
  try {
    return await files.read(file)
  } catch (error) {
    if (error instanceof BerthError && error.code === 'recipe/not-found') return undefined
    throw error
  }
}

function withoutExtensionKeys(root: MapNode): MapNode {
  const entries = [...root.entries].filter(([key]) => !key.startsWith('x-'))
  return { ...root, entries: new Map(entries) }
}
