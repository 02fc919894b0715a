import type { BerthError } from '../error.ts'
import { valueAt } from './check-inputs.ts'
import { keySpan, placeAt, plainValue, positionOf, type MapNode, type Path } from './recipe-node.ts'
import { recipeSchema, type RecipeDocument } from './recipe-schema.ts'
import { shapeProblems } from './shape-problems.ts'
import { pipelineNames } from './step-draft.ts'

/** Checks the recipe's own keys and their types. The document is there when nothing is wrong. */
export function checkShape(root: MapNode): {
  document: RecipeDocument | undefined
  problems: BerthError[]
} {
  const values = plainValue(root)
  const result = recipeSchema.safeParse(values)
  if (result.success) {
    return { document: result.data, problems: [] }
  }
  const problems = shapeProblems(result.error.issues, {
    schema: recipeSchema,
    noun: 'key',
    owner,
    valueAt: (path) => valueAt(values, path),
    positionOf: (path) => positionOf(placeAt(root, path)),
    keyPositionOf: (path) => positionOf(keySpan(root, path)),
  })
  return { document: undefined, problems }
}

function owner(path: Path): string {
  const names = {
    recipe: 'a recipe',
    step: 'a step',
    rung: 'a step of `any-of`',
    ready: '`main.ready`',
    variable: 'a variable',
    main: '`main`',
    other: '',
  }
  return names[placeOf(path)] || `\`${String(path.findLast((key) => typeof key === 'string'))}\``
}

type PlaceName = 'recipe' | 'step' | 'variable' | 'rung' | 'main' | 'ready' | 'other'

function placeOf(path: Path): PlaceName {
  const [first] = path
  if (path.length === 0) {
    return 'recipe'
  }
  if (first === 'main' && path.length === 1) {
    return 'main'
  }
  if (first === 'main' && path.length === 2 && path[1] === 'ready') {
    return 'ready'
  }
  if (first === 'vars' && path.length === 2) {
    return 'variable'
  }
  const isItem = pipelineNames.some((name) => name === first) && typeof path.at(-1) === 'number'
  const lists = path.filter((_, index) => index > 0 && index % 2 === 0)
  if (!isItem || !lists.every((key) => key === 'parallel' || key === 'any-of')) {
    return 'other'
  }
  return lists.includes('any-of') ? 'rung' : 'step'
}
