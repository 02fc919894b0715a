import type { BerthError } from '../error.ts'
import { referenceFault } from './check-references.ts'
import { scopeAt, type Scope, type ScopeSources } from '../expression/expression-scope.ts'
import {
  ExpressionFault,
  parseExpression,
  statusFunctions,
  type Expression,
  type Place,
} from '../expression/parse-expression.ts'
import { problem, type Path, type RecipeNode, type ScalarNode, type Span } from './recipe-node.ts'
import { spanInScalar } from './source-offset.ts'
import { hasExpression, parseTemplate, wholeExpression } from '../expression/template.ts'
import { functionCalls, references } from '../expression/walk-expression.ts'

/** Checks every expression of a recipe without evaluating any: whether it parses, and whether what it names exists by then. */
export function expressionProblems(sources: ScopeSources): BerthError[] {
  const problems: BerthError[] = []
  walk(sources.root, [], (node, path) => {
    const isCandidate = path.at(-1) === 'if' || hasExpression(node.value)
    if (typeof node.value !== 'string' || !isCandidate) {
      return
    }
    const scope = scopeAt(path, sources)
    if (scope !== 'any') {
      problems.push(...(scope === 'text' ? plainProblems(node) : textProblems(node, scope)))
    }
  })
  return problems
}

function walk(node: RecipeNode, path: Path, visit: (node: ScalarNode, path: Path) => void): void {
  if (node.kind === 'scalar') {
    visit(node, path)
  } else if (node.kind === 'list') {
    for (const [index, item] of node.items.entries()) {
      walk(item, [...path, index], visit)
    }
  } else {
    for (const [key, entry] of node.entries) {
      walk(entry.node, [...path, key], visit)
    }
  }
}

function plainProblems(node: ScalarNode): BerthError[] {
  const at = String(node.value).indexOf('${{')
  if (at === -1) {
    return []
  }
  const span = spanInScalar(node, at, 3)
  const hint = 'write the value itself'
  return [
    problem('recipe/expression-not-allowed', 'expressions are not evaluated here', span, hint),
  ]
}

function textProblems(node: ScalarNode, scope: Scope): BerthError[] {
  const text = String(node.value)
  if (scope.bare) {
    return conditionProblems(node, text, scope)
  }
  const { parts, unclosedAt } = parseTemplate(text)
  const problems = parts.flatMap((part) =>
    part.kind === 'expression' ? oneExpression(node, part, scope) : [],
  )
  if (unclosedAt !== undefined) {
    const span = spanInScalar(node, unclosedAt, 3)
    problems.push(problem('recipe/expression', '`${{` is not closed', span, 'close it with `}}`'))
  }
  return problems
}

function conditionProblems(node: ScalarNode, text: string, scope: Scope): BerthError[] {
  const whole = wholeExpression(text)
  if (whole !== undefined) {
    return oneExpression(node, { text: whole, offset: 3 }, scope)
  }
  const mixed = text.indexOf('${{')
  if (mixed === -1) {
    return oneExpression(node, { text, offset: 0 }, scope)
  }
  // GitHub would make a text of it, and a text always holds.
  const message = '`if` is one bare expression'
  const span = spanInScalar(node, mixed, 3)
  return [problem('recipe/expression', message, span, 'remove the `${{` and `}}`')]
}

function oneExpression(
  node: ScalarNode,
  part: { text: string; offset: number },
  scope: Scope,
): BerthError[] {
  const spanOf = ({ offset, length }: Place): Span =>
    spanInScalar(node, part.offset + offset, length)
  try {
    const expression = parseExpression(part.text)
    return [
      ...statusProblems(expression, scope, spanOf),
      ...references(expression.tree).flatMap((reference) => {
        const found = referenceFault(reference, scope)
        const span = spanOf(expression.placeOf(found?.token ?? reference.context))
        return found ? [found.problem(span)] : []
      }),
    ]
  } catch (error) {
    if (error instanceof ExpressionFault) {
      return [problem('recipe/expression', error.message, spanOf(error.place), error.hint)]
    }
    throw error
  }
}

function statusProblems(
  expression: Expression,
  scope: Scope,
  spanOf: (place: Place) => Span,
): BerthError[] {
  const names = new Set(statusFunctions.map(({ name }) => name))
  return functionCalls(expression.tree)
    .filter((name) => !scope.bare && names.has(name.lexeme.toLowerCase()))
    .map((name) => {
      const message = `\`${name.lexeme}()\` can be used in \`if\` only`
      return problem('recipe/expression', message, spanOf(expression.placeOf(name)))
    })
}
