import type { BerthError } from '../error.ts'
import { keySpan, nodeAt, problem, type MapNode, type RecipeNode } from './recipe-node.ts'
import type { StepDraft } from './step-draft.ts'

/** Keys that nothing obeys yet, by where they stand; refused until something does rather than ignored. */
const laterKeys: Record<'recipe' | 'main' | 'step', readonly string[]> = {
  recipe: ['health'],
  main: [],
  step: [],
}

/** Refuses what the recipe may say one day. */
export function laterProblems(root: MapNode, drafts: readonly StepDraft[]): BerthError[] {
  return [
    ...laterIn(root, laterKeys.recipe),
    ...laterIn(nodeAt(root, ['main']), laterKeys.main),
    ...drafts.flatMap(({ node }) => laterIn(node, laterKeys.step)),
  ]
}

function laterIn(node: RecipeNode | undefined, keys: readonly string[]): BerthError[] {
  if (node?.kind !== 'map') return []
  return keys
    .filter((key) => node.entries.has(key))
    .map((key) => {
      const message = `\`${key}\` is not supported in this version`
      const hint = 'remove it: it would have no effect'
      return problem('recipe/not-yet', message, keySpan(node, [key]), hint)
    })
}
