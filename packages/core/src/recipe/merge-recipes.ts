import type { ListNode, MapEntry, MapNode, RecipeNode } from './recipe-node.ts'
import { textAt } from './recipe-node.ts'
import { pipelineNames } from './step-draft.ts'

/**
 * A recipe on top of the one that it extends. Maps are merged key by key; in a pipeline, a step with the id of a base step changes
 * it, or replaces it when it says `uses` or `run` itself, and other steps come after the base's; secrets are those of both; every
 * other list or value is the recipe's own. Neither node is changed, and every part keeps its place.
 */
export function mergeRecipes(base: MapNode, recipe: MapNode): MapNode {
  return mergeMaps(base, recipe, (key, below, above) => {
    if (pipelineNames.some((name) => name === key)) {
      return mergeSteps(below, above)
    }
    if (key === 'secrets' && below.kind === 'list' && above.kind === 'list') {
      return { ...above, items: [...below.items, ...above.items] }
    }
    return mergeNodes(below, above)
  })
}

type Merge = (key: string, below: RecipeNode, above: RecipeNode) => RecipeNode

function mergeNodes(below: RecipeNode, above: RecipeNode): RecipeNode {
  return below.kind === 'map' && above.kind === 'map'
    ? mergeMaps(below, above, (_key, inner, outer) => mergeNodes(inner, outer))
    : above
}

function mergeMaps(below: MapNode, above: MapNode, merge: Merge): MapNode {
  const entries = new Map<string, MapEntry>(below.entries)
  for (const [key, entry] of above.entries) {
    const old = below.entries.get(key)
    entries.set(key, old ? { key: entry.key, node: merge(key, old.node, entry.node) } : entry)
  }
  return { ...above, entries, size: below.size + above.size }
}

function mergeSteps(below: RecipeNode, above: RecipeNode): RecipeNode {
  if (below.kind !== 'list' || above.kind !== 'list') {
    return above
  }
  const changes = new Map<string, MapNode>()
  for (const step of above.items) {
    const id = textAt(step, ['id'])
    if (step.kind === 'map' && id !== undefined && !changes.has(id)) {
      changes.set(id, step)
    }
  }
  const used = new Set<RecipeNode>()
  const changed = changeSteps(below, changes, used)
  const added = above.items.filter((step) => !used.has(step))
  return { ...above, items: [...changed.items, ...added], size: below.size + above.size }
}

function changeSteps(
  list: ListNode,
  changes: ReadonlyMap<string, MapNode>,
  used: Set<RecipeNode>,
): ListNode {
  const items = list.items.map((step) => {
    const change = changes.get(textAt(step, ['id']) ?? '')
    if (step.kind !== 'map') {
      return step
    }
    if (change) {
      used.add(change)
      return change.entries.has('uses') || change.entries.has('run')
        ? change
        : mergeNodes(step, change)
    }
    const group = step.entries.get('parallel')
    if (group?.node.kind !== 'list') {
      return step
    }
    const parallel = { key: group.key, node: changeSteps(group.node, changes, used) }
    return { ...step, entries: new Map(step.entries).set('parallel', parallel) }
  })
  return { ...list, items }
}
