import { z } from 'zod'
import type { Plugin, StepDefinition } from './plugin.ts'

type Schema = z.core.JSONSchema.JSONSchema

/** The options and outputs of a plugin's steps as Markdown, for its README. The same plugin always gives the same text. */
export function describeOptions(plugin: Plugin): string {
  return Object.entries(plugin.steps)
    .map(([name, definition]) => describeStep(`${plugin.name}/${name}`, definition))
    .join('\n\n')
}

function describeStep(uses: string, { description, inputs, outputs }: StepDefinition): string {
  const parts = [`### \`${uses}\``, description, inputTable(toSchema(inputs, 'input'))]
  const outputRows = Object.entries(toSchema(outputs, 'output').properties ?? {})
  if (outputRows.length > 0) {
    parts.push(
      table(
        ['Output', 'Type', 'What it holds'],
        outputRows.map(([name, schema]) => [`\`${name}\``, typeOf(schema), descriptionOf(schema)]),
      ),
    )
  }
  return parts.join('\n\n')
}

function inputTable({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).map(([name, schema]) => [
    `\`${name}\``,
    typeOf(schema),
    defaultOf(schema, required.includes(name)),
    descriptionOf(schema),
  ])
  return rows.length === 0
    ? 'It takes no options.'
    : table(['Option', 'Type', 'Default', 'What it does'], rows)
}

function toSchema(schema: z.ZodType, io: 'input' | 'output'): Schema {
  return z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Schema
}

function typeOf(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) {
    return 'any'
  }
  const { anyOf, oneOf, type, enum: choices, const: only, items, pattern } = schema as Schema
  const options = anyOf ?? oneOf
  if (options) {
    return [...new Set(options.map(typeOf))].join(' or ')
  }
  const values = choices ?? (only === undefined ? undefined : [only])
  if (values) {
    return values.map((value) => `\`${String(value)}\``).join(', ')
  }
  switch (type) {
    case 'string':
      return pattern?.includes('ms)?$') ? 'duration' : 'text'
    case 'integer':
      return 'whole number'
    case 'boolean':
      return 'true or false'
    case 'array':
      return `list of ${typeOf(Array.isArray(items) ? items[0] : items)}`
    case 'object':
      return 'map'
    default:
      return typeof type === 'string' ? type : 'any'
  }
}

function defaultOf(schema: unknown, required: boolean): string {
  const fallback =
    typeof schema === 'object' && schema !== null ? (schema as Schema).default : undefined
  if (fallback === undefined) {
    return required ? '**required**' : ''
  }
  return `\`${JSON.stringify(fallback)}\``
}

function descriptionOf(schema: unknown): string {
  return (typeof schema === 'object' && schema !== null && (schema as Schema).description) || ''
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll(/\s*\n\s*/g, ' ')
}
