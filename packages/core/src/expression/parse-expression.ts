import type { Expr } from '@actions/expressions/ast'
import { ErrorType, ExpressionError, MAX_EXPRESSION_LENGTH } from '@actions/expressions/errors'
import { wellKnownFunctions } from '@actions/expressions/funcs'
import type { FunctionInfo } from '@actions/expressions/funcs/info'
import { Lexer, tokenString, TokenType, type Token } from '@actions/expressions/lexer'
import { Parser } from '@actions/expressions/parser'
import { didYouMean } from '../suggest.ts'

/** The names that an expression may begin with. */
const contextNames = ['vars', 'env', 'secrets', 'steps', 'platform', 'pipeline'] as const
// Only the steps of a plugin of several have them.
const allContextNames = [...contextNames, 'inputs'] as const
export type ContextName = (typeof allContextNames)[number]

/** Functions about how the pipeline is going; they make sense in `if` only. */
export const statusFunctions: readonly FunctionInfo[] = [
  'success',
  'failure',
  'always',
  'cancelled',
].map((name) => ({ name, minArgs: 0, maxArgs: 0 }))

const functionNames = [
  'contains',
  'startsWith',
  'endsWith',
  'format',
  'join',
  'toJSON',
  'fromJSON',
  'case',
  ...statusFunctions.map(({ name }) => name),
]

/** A stretch of an expression's text. */
export interface Place {
  offset: number
  length: number
}

export interface Expression {
  text: string
  tree: Expr
  placeOf: (token: Token) => Place
}

/** Why an expression doesn't parse, and where in its text. */
export class ExpressionFault extends Error {
  readonly place: Place
  readonly hint: string | undefined

  constructor(message: string, place: Place, hint?: string) {
    super(message)
    this.place = place
    this.hint = hint
  }
}

/** Parses one bare expression of GitHub's expression language. Throws ExpressionFault. */
export function parseExpression(text: string): Expression {
  const tokens = readTokens(text)
  const places = placeTokens(tokens, text)
  const placeOf = (token: Token): Place => places.get(token) ?? { offset: 0, length: text.length }
  try {
    const tree = new Parser(tokens, [...allContextNames], [...statusFunctions]).parse() as
      | Expr
      | undefined
    if (tree) {
      return { text, tree, placeOf }
    }
  } catch (error) {
    throw error instanceof ExpressionError ? faultOf(error, placeOf) : error
  }
  throw new ExpressionFault('the expression is empty', { offset: 0, length: text.length })
}

function readTokens(text: string): Token[] {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    const message = `the expression is longer than ${MAX_EXPRESSION_LENGTH} characters`
    throw new ExpressionFault(message, { offset: 0, length: 1 })
  }
  try {
    return new Lexer(text).lex().tokens
  } catch (error) {
    // The lexer throws plain errors that say the place in their text only, counted from 1.
    const [, symbol = '', position = '1'] =
      /^Unexpected symbol: '(.*)'\. Located at position (\d+) within/s.exec(
        String((error as Error).message),
      ) ?? []
    const place = { offset: Number(position) - 1, length: symbol.length }
    if (symbol.startsWith("'")) {
      throw new ExpressionFault('a text in the expression is not closed', place, "end it with `'`")
    }
    const hint = symbolHint(symbol)
    throw new ExpressionFault(`the expression has an unexpected \`${symbol}\``, place, hint)
  }
}

function symbolHint(symbol: string): string | undefined {
  if (symbol.startsWith('"')) {
    return "texts in an expression stand in single quotes: `'text'`"
  }
  return { '=': 'compare with `==`', '&': 'write `&&`', '|': 'write `||`' }[symbol.charAt(0)]
}

/**
 * Gives every token its offset, which the lexer keeps as a line and column that are wrong behind a text of several lines, and mends
 * texts with more than one `''`, of which the lexer unescapes only the first.
 */
function placeTokens(tokens: Token[], text: string): Map<Token, Place> {
  const places = new Map<Token, Place>()
  let offset = 0
  for (const token of tokens) {
    offset += /^\s*/.exec(text.slice(offset))?.[0].length ?? 0
    places.set(token, { offset, length: token.lexeme.length })
    offset += token.lexeme.length
    if (token.type === TokenType.STRING) {
      token.value = token.lexeme.slice(1, -1).replaceAll("''", "'")
    }
  }
  return places
}

function faultOf(error: ExpressionError, placeOf: (token: Token) => Place): ExpressionFault {
  // Both fields are only TypeScript-private; the message alone would have to be taken apart.
  const { typ, tok } = error as unknown as { typ: ErrorType; tok: Token }
  const place = placeOf(tok)
  const word = tokenString(tok)
  switch (typ) {
    case ErrorType.ErrorUnrecognizedContext:
    case ErrorType.ErrorUnrecognizedNamedValue: {
      const hint = didYouMean(word, contextNames)
      return new ExpressionFault(`\`${word}\` is not a name that expressions know`, place, hint)
    }
    case ErrorType.ErrorUnrecognizedFunction: {
      const hint = didYouMean(word, functionNames)
      return new ExpressionFault(`\`${word}()\` is not a function`, place, hint)
    }
    case ErrorType.ErrorTooFewParameters:
    case ErrorType.ErrorTooManyParameters:
    case ErrorType.ErrorEvenParameters:
      return new ExpressionFault(`\`${word}()\` ${countFault(typ, word)}`, place)
    case ErrorType.ErrorExceededMaxDepth:
      return new ExpressionFault('the expression is nested too deeply', place)
    default:
      return tok.type === TokenType.EOF || typ === ErrorType.ErrorUnexpectedEndOfExpression
        ? new ExpressionFault('the expression ends too early', place)
        : new ExpressionFault(`the expression has an unexpected \`${tok.lexeme}\``, place)
  }
}

function countFault(typ: ErrorType, name: string): string {
  if (typ === ErrorType.ErrorEvenParameters) {
    return 'takes an odd number of values: pairs, then the default'
  }
  const { minArgs, maxArgs } = wellKnownFunctions[name.toLowerCase()] ?? { minArgs: 0, maxArgs: 0 }
  const count = minArgs === maxArgs ? String(minArgs) : `${minArgs} or more`
  return typ === ErrorType.ErrorTooFewParameters
    ? `is given too few values, it takes ${count}`
    : `is given too many values, it takes ${count}`
}
