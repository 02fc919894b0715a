import type { BerthError } from '../error.ts'
import { mergeMaps, mergeNodes } from './merge-nodes.ts'
import { mergeSteps } from './merge-steps.ts'
import type { MapNode } from './recipe-node.ts'
import { pipelineNames } from './step-draft.ts'

/**
 * A recipe on top of the one that it extends. Maps are merged key by key; in a pipeline, a step with the id of a base step changes
 * it, or replaces it when it says itself what it does, and other steps come after the base's, unless `before` or `after` puts them
 * elsewhere; secrets are those of both; every other list or value is the recipe's own. Neither node is changed, and every part keeps
 * its place.
 */
export function mergeRecipes(
  base: MapNode,
  recipe: MapNode,
): { root: MapNode; problems: BerthError[] } {
  const problems: BerthError[] = []
  const root = mergeMaps(base, recipe, (key, below, above) => {
    if (pipelineNames.some((name) => name === key)) {
      const steps = mergeSteps(below, above)
      problems.push(...steps.problems)
      return steps.node
    }
    if (key === 'secrets' && below.kind === 'list' && above.kind === 'list') {
      return { ...above, items: [...below.items, ...above.items], size: below.size + above.size }
    }
    return mergeNodes(below, above)
  })
  return { root, problems }
}
