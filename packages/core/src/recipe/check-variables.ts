import type { BerthError } from '../error.ts'
import { declared } from '../expression/expression-scope.ts'
import { nodeAt, problem, textAt, type RecipeNode } from './recipe-node.ts'

/** Variables can be written anywhere, so none may be set by what the recipe declares a secret. */
export function variableProblems(root: RecipeNode): BerthError[] {
  const { vars, secrets } = declared(root)
  return vars.flatMap((name) => {
    const node = nodeAt(root, ['vars', name, 'env'])
    const env = textAt(node, [])
    if (!node || env === undefined || !secrets.includes(env)) {
      return []
    }
    const message = `the variable \`${name}\` would show the secret \`${env}\``
    return [problem('recipe/secret-in-variable', message, node, `write \`secrets.${env}\` instead`)]
  })
}
