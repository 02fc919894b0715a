import {
  Binary,
  ContextAccess,
  FunctionCall,
  Grouping,
  IndexAccess,
  Literal,
  Logical,
  Unary,
  type Expr,
} from '@actions/expressions/ast'
import type { Token } from '@actions/expressions/lexer'

/** The names of the functions that an expression calls. */
export function functionCalls(tree: Expr): Token[] {
  const inner = children(tree).flatMap(functionCalls)
  return tree instanceof FunctionCall ? [tree.functionName, ...inner] : inner
}

/** `steps.volume.outputs.path` as its names. A name that is only known at run time, as in `vars[env.NAME]`, is undefined. */
export interface Reference {
  context: Token
  names: ({ text: string; token: Token } | undefined)[]
}

/** Every reference to a context in an expression, at its full length. */
export function references(tree: Expr): Reference[] {
  if (tree instanceof ContextAccess) {
    return [{ context: tree.name, names: [] }]
  }
  if (!(tree instanceof IndexAccess)) {
    return children(tree).flatMap(references)
  }
  const [first, ...rest] = references(tree.expr)
  const inIndex = tree.index instanceof Literal ? [] : references(tree.index)
  // Only an unbroken chain of accesses belongs to the context: in `fromJSON(vars.x).y` the `y` is none of its names.
  const chained = first && isChain(tree.expr)
  const whole = chained
    ? [{ ...first, names: [...first.names, nameOf(tree.index)] }]
    : first
      ? [first]
      : []
  return [...whole, ...rest, ...inIndex]
}

function isChain(tree: Expr): boolean {
  return tree instanceof ContextAccess || (tree instanceof IndexAccess && isChain(tree.expr))
}

function nameOf(index: Expr): Reference['names'][number] {
  return index instanceof Literal
    ? { text: index.literal.coerceString(), token: index.token }
    : undefined
}

function children(tree: Expr): Expr[] {
  if (tree instanceof Unary) {
    return [tree.expr]
  }
  if (tree instanceof Binary) {
    return [tree.left, tree.right]
  }
  if (tree instanceof Logical || tree instanceof FunctionCall) {
    return tree.args
  }
  if (tree instanceof Grouping) {
    return [tree.group]
  }
  return tree instanceof IndexAccess ? [tree.expr, tree.index] : []
}
