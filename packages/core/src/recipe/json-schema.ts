import { z } from 'zod'
import type { Plugin, PluginRegistry } from '../plugin/plugin.ts'
import { recipeSchema } from './recipe-schema.ts'
import { pipelineNames } from './step-draft.ts'

type Schema = z.core.JSONSchema.JSONSchema
type Schemas = Record<string, Schema>

const expression: Schema = { type: 'string', pattern: String.raw`^\$\{\{[\s\S]*\}\}$` }

/**
 * The JSON Schema (2020-12) of a whole recipe, as editors take it: its own keys, and for each `uses` that the plugins offer what `with`
 * may hold. Wherever an input isn't text, an expression may stand instead. Loads every plugin.
 */
export async function recipeJsonSchema(plugins: PluginRegistry): Promise<object> {
  const loaded = await Promise.all(Object.values(plugins).map((open) => open()))
  const schema = toSchema(recipeSchema)
  const inputs = loaded.flatMap((plugin) => stepSchemas(plugin))
  const [item] = pipelineNames.map((name) => itemsOf(schema.properties?.[name]))
  const step = itemsOf(item?.properties?.parallel)
  const rung = itemsOf(step?.properties?.['any-of'])
  if (item && step && rung) {
    refer(item, 'parallel', 'step')
    for (const ladder of [item, step]) refer(ladder, 'any-of', 'rung')
    for (const each of [item, step, rung]) addUses(each, inputs)
    for (const name of pipelineNames) {
      const list: Schema = {
        type: ['array', 'null'] as unknown as 'array',
        items: { $ref: '#/$defs/item' },
      }
      const description = asSchema(schema.properties?.[name])?.description
      schema.properties = {
        ...schema.properties,
        [name]: description === undefined ? list : { ...list, description },
      }
    }
    schema.$defs = { item, step, rung }
  }
  return { ...schema, title: 'Berth recipe', patternProperties: { '^x-': true } }
}

/** Says each kind of step once: the items of a key are the definition of that name. */
function refer(schema: Schema, key: string, definition: string): void {
  const list = asSchema(schema.properties?.[key])
  if (list) list.items = { $ref: `#/$defs/${definition}` }
}

interface InputSchema {
  uses: string
  description: string
  inputs: Schema
}

function stepSchemas(plugin: Plugin): InputSchema[] {
  return Object.entries(plugin.steps).map(([name, { inputs, description }]) => ({
    uses: `${plugin.name}/${name}`,
    description,
    inputs: withExpressions(toSchema(inputs)),
  }))
}

function toSchema(schema: z.ZodType): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest as Schema
}

/** `uses` becomes a choice, and decides what `with` holds. */
function addUses(step: Schema, inputs: readonly InputSchema[]): void {
  if (inputs.length === 0) {
    return
  }
  const uses = asSchema(step.properties?.uses)
  step.properties = {
    ...step.properties,
    uses: {
      ...uses,
      anyOf: inputs.map(({ uses: name, description }) => ({ const: name, description })),
    },
  }
  step.allOf = inputs.map(({ uses: name, inputs: schema }) => ({
    if: { properties: { uses: { const: name } }, required: ['uses'] },
    // oxlint-disable-next-line unicorn/no-thenable -- `then` is JSON Schema's word.
    then: {
      properties: { with: schema },
      ...((schema.required ?? []).length > 0 ? { required: ['with'] } : {}),
    },
  }))
}

/** Lets an expression stand wherever a value that isn't free text is asked for. */
function withExpressions(schema: Schema): Schema {
  const inner: Schema = { ...schema }
  if (schema.properties) {
    inner.properties = mapSchemas(schema.properties as Schemas)
  }
  const items = asSchema(schema.items)
  if (items) {
    inner.items = orExpression(items)
  }
  const rest = asSchema(schema.additionalProperties)
  if (rest) {
    inner.additionalProperties = orExpression(rest)
  }
  return inner
}

function mapSchemas(schemas: Schemas): Schemas {
  return Object.fromEntries(
    Object.entries(schemas).map(([key, schema]) => [key, orExpression(schema)]),
  )
}

function orExpression(schema: Schema): Schema {
  const inner = withExpressions(schema)
  const { description, default: fallback, ...rest } = inner
  if (rest.type === 'string' && !rest.pattern && !rest.enum && !rest.format) {
    return inner
  }
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, expression],
  }
}

function itemsOf(pipeline: unknown): Schema | undefined {
  const schema = asSchema(pipeline)
  const list = schema?.anyOf?.map(asSchema).find((option) => option?.type === 'array') ?? schema
  return asSchema(list?.items)
}

function asSchema(value: unknown): Schema | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Schema)
    : undefined
}
