import { z } from 'zod'
import type { Plugin, PluginRegistry, StepDefinition } from '../plugin/plugin.ts'
import { withExpressions } from './schema-expressions.ts'
import { recipeSchema } from './recipe-schema.ts'
import { pipelineNames } from './step-draft.ts'

type Schema = z.core.JSONSchema.JSONSchema

/**
 * The JSON Schema (2020-12) of a whole recipe, as editors take it: its own keys, and for each `uses` that the plugins offer what `with`
 * may hold. Wherever an input isn't text, an expression may stand instead. Loads every plugin. `others` are steps that a recipe may use
 * beside theirs, by what `uses` says.
 *
 * What it refuses is refused by `checkRecipe`. The rules between keys, references, and what a plugin checks in code only that knows.
 */
export async function recipeJsonSchema(
  plugins: PluginRegistry,
  others: Readonly<Record<string, StepDefinition>> = {},
): Promise<object> {
  const loaded = await Promise.all(Object.values(plugins).map((open) => open()))
  const schema = toSchema(recipeSchema)
  const own = Object.entries(others).map(([uses, definition]) => stepSchema(uses, definition))
  const inputs = [...loaded.flatMap(stepSchemas), ...own]
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
  return Object.entries(plugin.steps).map(([name, definition]) =>
    stepSchema(`${plugin.name}/${name}`, definition),
  )
}

function stepSchema(uses: string, { inputs, description }: StepDefinition): InputSchema {
  return { uses, description, inputs: withExpressions(toSchema(inputs)) }
}

const ofTheirOwn: Schema = {
  type: 'string',
  pattern: String.raw`^(\.{0,2}/|\.{1,2}$|@)`,
  description: 'A plugin in a folder beside the recipe, or a step of an installed package.',
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
      anyOf: [
        ...inputs.map(({ uses: name, description }) => ({ const: name, description })),
        ofTheirOwn,
      ],
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
