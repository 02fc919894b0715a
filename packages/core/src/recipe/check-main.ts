import type { BerthError } from '../error.ts'
import { keySpan, nodeAt, problem, type RecipeNode } from './recipe-node.ts'

const probes = ['http', 'tcp', 'file'] as const

/** Main shows in one way that it is ready. */
export function readyProblems(root: RecipeNode): BerthError[] {
  const ready = nodeAt(root, ['main', 'ready'])
  if (ready?.kind !== 'map') return []
  const written = probes.filter((key) => ready.entries.has(key))
  const hint = 'give it exactly one of `http`, `tcp` and `file`'
  if (written.length === 0) {
    const message = '`ready` does not say how main shows that it can be used'
    return [problem('recipe/missing-key', message, keySpan(root, ['main', 'ready']), hint)]
  }
  return written.slice(1).map((key) => {
    const message = `\`ready\` has both \`${written[0]}\` and \`${key}\``
    return problem('recipe/misplaced-key', message, keySpan(ready, [key]), hint)
  })
}
