import type { BerthError } from '../error.ts'
import { problem, type Span } from './recipe-node.ts'
import { suggest } from '../suggest.ts'

/** The problem of a secret that the recipe doesn't declare. */
export function unknownSecret(name: string, declared: Iterable<string>, place: Span): BerthError {
  const best = suggest(name, declared)
  const hint =
    best === undefined ? `add it to \`secrets\` of the recipe` : `did you mean \`${best}\`?`
  return problem('recipe/unknown-secret', `the recipe declares no secret \`${name}\``, place, hint)
}
