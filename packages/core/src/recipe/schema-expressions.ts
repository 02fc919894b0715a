import type { z } from 'zod'

type Schema = z.core.JSONSchema.JSONSchema
type Schemas = Record<string, Schema>

/** Takes the type of the expression. */
const whole: Schema = { type: 'string', pattern: String.raw`^\$\{\{[\s\S]*\}\}$` }
/** Is text, whatever the expression gives. */
const partly: Schema = { type: 'string', pattern: String.raw`\$\{\{` }

/** A JSON Schema of inputs that lets an expression stand wherever a value that isn't free text is asked for. */
export function withExpressions(schema: Schema): Schema {
  const inner: Schema = { ...schema }
  if (schema.properties) {
    inner.properties = mapSchemas(schema.properties as Schemas, orExpression)
  }
  const items = asSchema(schema.items)
  if (items) inner.items = orExpression(items)
  const rest = asSchema(schema.additionalProperties)
  if (rest) inner.additionalProperties = orExpression(rest)
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) {
    const branches = schema[key]
    if (branches) inner[key] = branches.map((branch) => withExpressions(asSchema(branch) ?? {}))
  }
  return inner
}

function mapSchemas(schemas: Schemas, change: (schema: Schema) => Schema): Schemas {
  return Object.fromEntries(Object.entries(schemas).map(([key, schema]) => [key, change(schema)]))
}

const limits = ['pattern', 'enum', 'const', 'format', 'minLength', 'maxLength'] as const

function orExpression(schema: Schema): Schema {
  const inner = withExpressions(schema)
  const { description, default: fallback, ...rest } = inner
  if (Object.keys(rest).length === 0) return inner
  if (rest.type === 'string' && limits.every((limit) => rest[limit] === undefined)) return inner
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, mayBeText(rest) ? partly : whole],
  }
}

/** A text with an expression in it can only be judged where the type is wrong whatever it says. */
function mayBeText(schema: Schema): boolean {
  if (schema.type === 'string' || schema.enum !== undefined || schema.const !== undefined) {
    return true
  }
  return [schema.anyOf, schema.oneOf].some((branches) =>
    branches?.some((branch) => mayBeText(asSchema(branch) ?? {})),
  )
}

function asSchema(value: unknown): Schema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Schema)
    : undefined
}
