import {
  Array as ListData,
  BooleanData,
  Dictionary,
  Kind,
  Null,
  NumberData,
  StringData,
  type ExpressionData,
} from '@actions/expressions/data/index'
import { Evaluator } from '@actions/expressions/evaluator'
import type { FunctionDefinition } from '@actions/expressions/funcs/info'
import { truthy } from '@actions/expressions/result'
import { BerthError } from '../error.ts'
import type { PipelineName, StepResult } from '../event.ts'
import {
  ExpressionFault,
  parseExpression,
  statusFunctions,
  type Expression,
} from './parse-expression.ts'
import { parseTemplate } from './template.ts'
import { functionCalls } from './walk-expression.ts'

/** What expressions can see, and how the pipeline is going. */
export interface ExpressionContext {
  vars: Record<string, string | number | boolean>
  env: Record<string, string | undefined>
  secrets: Record<string, string>
  steps: Record<string, { outputs: Record<string, unknown>; result: StepResult }>
  platform: Record<string, string | boolean>
  pipeline?: PipelineName
  /** Those of a plugin, for the expressions of its own steps. */
  inputs?: Record<string, unknown>
  status: 'success' | 'failure' | 'cancelled'
}

/** The value of one bare expression. What was never set is null. Throws `recipe/expression` when it can't be evaluated. */
export function evaluateExpression(text: string, context: ExpressionContext): unknown {
  return plain(evaluate(text, context))
}

/**
 * A text with the values of its `${{ … }}` in their places; null becomes the empty text. Throws `recipe/expression`, also for a list
 * or a map, which has no text of its own.
 */
export function evaluateText(text: string, context: ExpressionContext): string {
  return templateParts(text)
    .map((part) => (part.kind === 'text' ? part.text : textOf(part.text, context)))
    .join('')
}

/**
 * Says whether a step's `if` holds. As in GitHub's language, an expression that doesn't ask for the status itself, with `success()`,
 * `failure()`, `always()` or `cancelled()`, holds only while all is well.
 */
export function evaluateCondition(text: string, context: ExpressionContext): boolean {
  const mayHold = context.status === 'success' || asksForStatus(text)
  return mayHold && truthy(evaluate(text, context))
}

/** Says whether a bare expression calls `success()`, `failure()`, `always()` or `cancelled()`. */
export function asksForStatus(text: string): boolean {
  const names = new Set(statusFunctions.map(({ name }) => name))
  return functionCalls(parsed(text).tree).some((name) => names.has(name.lexeme.toLowerCase()))
}

/** Evaluates every text within a value. A text that is one expression takes that expression's type; what was never set is `''`. */
export function evaluateValue(value: unknown, context: ExpressionContext): unknown {
  if (typeof value === 'string') {
    const parts = templateParts(value)
    const [first] = parts
    return parts.length === 1 && first?.kind === 'expression'
      ? (evaluateExpression(first.text, context) ?? '')
      : evaluateText(value, context)
  }
  if (Array.isArray(value)) {
    return value.map((item) => evaluateValue(item, context))
  }
  if (typeof value !== 'object' || value === null) {
    return value
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, evaluateValue(item, context)]),
  )
}

function templateParts(text: string): ReturnType<typeof parseTemplate>['parts'] {
  const { parts, unclosedAt } = parseTemplate(text)
  if (unclosedAt !== undefined) {
    throw new BerthError('recipe/expression', `\`\${{\` is not closed in \`${text}\``)
  }
  return parts
}

function textOf(expression: string, context: ExpressionContext): string {
  const value = evaluate(expression, context)
  if (value.kind === Kind.Array || value.kind === Kind.Dictionary) {
    const noun = value.kind === Kind.Array ? 'a list' : 'a map'
    const message = `\`${expression.trim()}\` is ${noun}, which cannot be part of a text`
    throw new BerthError('recipe/expression', message, { hint: 'use `join()` or `toJSON()`' })
  }
  return value.coerceString()
}

function evaluate(text: string, context: ExpressionContext): ExpressionData {
  const { tree } = parsed(text)
  try {
    return new Evaluator(tree, contextData(context), statusDefinitions(context)).evaluate()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `could not evaluate \`${text.trim()}\`: ${reason}`
    // Without the cause: the engine's own message about bad JSON quotes the first characters of it, which may be a secret's.
    throw new BerthError('recipe/expression', message)
  }
}

function parsed(text: string): Expression {
  try {
    return parseExpression(text)
  } catch (error) {
    if (!(error instanceof ExpressionFault)) {
      throw error
    }
    const message = `could not read \`${text.trim()}\`: ${error.message}`
    throw new BerthError(
      'recipe/expression',
      message,
      error.hint === undefined ? {} : { hint: error.hint },
    )
  }
}

function statusDefinitions({ status }: ExpressionContext): Map<string, FunctionDefinition> {
  const values: Record<string, boolean> = {
    success: status === 'success',
    failure: status === 'failure',
    cancelled: status === 'cancelled',
    always: true,
  }
  return new Map(
    statusFunctions.map((info) => [
      info.name,
      { ...info, call: () => new BooleanData(values[info.name] ?? false) },
    ]),
  )
}

/**
 * A dictionary whose names are exact: environment variables and step ids that differ in case are different ones. A value is read when
 * it is asked for: most expressions name one of all that they could.
 */
class ExactDictionary extends Dictionary {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    super()
    this.#values = values
  }

  override get(key: string): ExpressionData | undefined {
    return Object.hasOwn(this.#values, key) ? data(this.#values[key]) : undefined
  }

  override values(): ExpressionData[] {
    return Object.values(this.#values).map(data)
  }

  override pairs(): { key: string; value: ExpressionData }[] {
    return Object.entries(this.#values).map(([key, value]) => ({ key, value: data(value) }))
  }
}

function contextData(context: ExpressionContext): Dictionary {
  const { vars, env, secrets, steps, platform, pipeline, inputs } = context
  return new Dictionary(
    ...Object.entries({ vars, env, secrets, steps, platform, pipeline, inputs }).map(
      ([key, value]) => ({ key, value: data(value) }),
    ),
  )
}

function data(value: unknown): ExpressionData {
  switch (typeof value) {
    case 'string':
      return new StringData(value)
    case 'number':
      return new NumberData(value)
    case 'boolean':
      return new BooleanData(value)
    case 'object':
      if (Array.isArray(value)) {
        return new ListData(...value.map(data))
      }
      return value === null ? new Null() : new ExactDictionary(value as Record<string, unknown>)
    default:
      return new Null()
  }
}

function plain(value: ExpressionData): unknown {
  switch (value.kind) {
    case Kind.Array:
      return value.values().map(plain)
    case Kind.Dictionary:
      return Object.fromEntries(value.pairs().map((pair) => [pair.key, plain(pair.value)]))
    case Kind.Null:
      return null
    default:
      return value.value
  }
}
