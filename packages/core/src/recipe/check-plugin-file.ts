import path from 'node:path'
import { BerthError } from '../error.ts'
import { folderStep } from '../plugin/folder-plugin.ts'
import type { StepDefinition } from '../plugin/plugin.ts'
import { pluginFileSchema, type PluginFile } from '../plugin/plugin-file.ts'
import { valueAt } from './check-inputs.ts'
import { checkPluginSteps } from './check-plugin-steps.ts'
import { parseRecipe } from './parse-recipe.ts'
import {
  keySpan,
  placeAt,
  plainValue,
  positionOf,
  problem,
  type MapNode,
  type Path,
  type RecipeNode,
} from './recipe-node.ts'
import type { RecipeFiles } from './recipe-files.ts'
import { shapeProblems } from './shape-problems.ts'
import type { FindStep } from './find-step.ts'

/** A folder that `uses` names, and what names it. */
export interface FolderRequest {
  uses: RecipeNode
  /** As written. */
  name: string
  /** Its `plugin.yaml`. */
  file: string
  files: RecipeFiles
  find: FindStep
}

export interface FoundStep {
  /** Absent when something is wrong. */
  definition?: StepDefinition
  problems: BerthError[]
}

/** Reads and checks the `plugin.yaml` of a folder. Every mistake in it has its place there, and says which step uses it. */
export async function checkPluginFile(request: FolderRequest): Promise<FoundStep> {
  const { uses, name, file } = request
  const read = await readPlugin(request)
  if (read instanceof BerthError) return { problems: [read] }
  const shown = path.relative(process.cwd(), file)
  const { source, root, problems } = parseRecipe(read, shown.startsWith('..') ? file : shown, {
    word: 'used',
    span: uses,
  })
  if (root?.kind !== 'map') {
    const place = root ?? { source, start: 0, end: 1 }
    const message = 'a plugin must be a map with `name`, `description` and `run` or `steps`'
    return {
      problems: problems.length > 0 ? problems : [problem('recipe/wrong-type', message, place)],
    }
  }
  const shape = checkFileShape(root)
  problems.push(...shape.problems, ...keyProblems(root))
  const inner = await checkPluginSteps(root, request.find)
  problems.push(...inner.problems)
  if (problems.length > 0 || shape.file === undefined) return { problems }
  const folder = path.dirname(file)
  return {
    problems,
    definition: folderStep({ name, folder, file: shape.file, steps: inner.steps }),
  }
}

async function readPlugin({
  uses,
  name,
  file,
  files,
}: FolderRequest): Promise<string | BerthError> {
  try {
    return await files.read(file)
  } catch (error) {
    if (!(error instanceof BerthError)) throw error
    if (error.code === 'recipe/not-found') {
      const message = `there is no plugin \`${name}\`: ${file} does not exist`
      const hint = 'the path leads to a folder, relative to the file that uses it'
      return problem('recipe/unknown-plugin', message, uses, hint)
    }
    return problem(error.code, error.message, uses, error.hint)
  }
}

function checkFileShape(root: MapNode): { file: PluginFile | undefined; problems: BerthError[] } {
  const values = plainValue(root)
  const result = pluginFileSchema.safeParse(values)
  if (result.success) return { file: result.data, problems: [] }
  const problems = shapeProblems(result.error.issues, {
    schema: pluginFileSchema,
    noun: 'key',
    owner: (place: Path) =>
      place.length === 0
        ? 'a plugin'
        : `\`${String(place.findLast((key) => typeof key === 'string'))}\``,
    valueAt: (place) => valueAt(values, place),
    positionOf: (place) => positionOf(placeAt(root, place)),
    keyPositionOf: (place) => positionOf(keySpan(root, place)),
  })
  return { file: undefined, problems }
}

/** A plugin has scripts of its own, or steps. */
function keyProblems(root: MapNode): BerthError[] {
  const has = (key: string): boolean => root.entries.has(key)
  if (!has('run') && !has('steps')) {
    const message = 'the plugin has neither `run` nor `steps`'
    return [problem('recipe/uses-or-run', message, root, 'say what it does')]
  }
  if (has('run') && has('steps')) {
    const message = 'the plugin has both `run` and `steps`'
    const hint = 'make a step of `run`'
    return [problem('recipe/uses-or-run', message, keySpan(root, ['run']), hint)]
  }
  const foreign = has('steps') ? ['undo', 'shell'] : []
  return foreign.filter(has).map((key) => {
    const message = `\`${key}\` belongs to a plugin with \`run\``
    const hint = 'put it into the steps'
    return problem('recipe/misplaced-key', message, keySpan(root, [key]), hint)
  })
}
