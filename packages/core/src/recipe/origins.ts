import type { Position } from '../error.ts'
import type { RecipeOrigin } from './recipe.ts'
import { positionOf, textAt, type MapEntry, type MapNode, type RecipeNode } from './recipe-node.ts'
import { pipelineNames } from './step-draft.ts'

/** Where each value of a recipe was written, in its order: one entry for each that is not a map, and for a list as a whole. */
export function originsOf(root: MapNode): RecipeOrigin[] {
  return [...root.entries].flatMap(([key, entry]) => {
    const isPipeline = pipelineNames.some((name) => name === key)
    return isPipeline ? stepOrigins(entry.node, key) : entryOrigins(entry, key)
  })
}

function stepOrigins(list: RecipeNode, path: string): RecipeOrigin[] {
  if (list.kind !== 'list') return []
  return list.items.flatMap((step, index) => {
    if (step.kind !== 'map') return []
    const name = textAt(step, ['id']) ?? textAt(step, ['uses']) ?? String(index + 1)
    return [...step.entries].flatMap(([key, entry]) => {
      if (key === 'parallel') return stepOrigins(entry.node, path)
      const inner = `${path}.${name}`
      return key === 'any-of'
        ? stepOrigins(entry.node, inner)
        : entryOrigins(entry, `${inner}.${key}`)
    })
  })
}

function entryOrigins(entry: MapEntry, path: string): RecipeOrigin[] {
  const { node, overrides } = entry
  if (node.kind === 'map' && node.entries.size > 0) {
    return [...node.entries].flatMap(([key, inner]) => entryOrigins(inner, `${path}.${key}`))
  }
  return [{ path, at: positionOf(node), overrides: overridden(overrides) }]
}

function overridden(entry: MapEntry | undefined): Position[] {
  return entry === undefined ? [] : [positionOf(entry.node), ...overridden(entry.overrides)]
}
