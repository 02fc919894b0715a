import fc from 'fast-check'

export type Schema = Record<string, unknown>

/** Values that a JSON Schema allows, as far as a recipe's schema goes. */
export function valuesOf(schema: Schema, root: Schema): fc.Arbitrary<unknown> {
  if (typeof schema.$ref === 'string') {
    const definitions = root.$defs as Record<string, Schema>
    return valuesOf(definitions[schema.$ref.replace('#/$defs/', '')] ?? {}, root)
  }
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]))
  const branches = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined
  if (branches) return fc.oneof(...branches.map((branch) => valuesOf(branch, root)))
  const [type] = [schema.type ?? 'any'].flat()
  switch (type) {
    case 'string':
      return textOf(schema)
    case 'integer':
    case 'number':
      return fc.integer({
        min: Math.max(-1000, Number(schema.minimum ?? -1000)),
        max: Math.min(1000, Number(schema.maximum ?? 1000)),
      })
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(valuesOf((schema.items ?? {}) as Schema, root), {
        minLength: Number(schema.minItems ?? 0),
        maxLength: Math.max(2, Number(schema.minItems ?? 0)),
      })
    case 'object':
      return mapOf(schema, root)
    default:
      return fc.constantFrom<unknown>('any', 5, true, [], {})
  }
}

const wellKnown = [
  'a',
  'x1',
  '/workspace',
  's3://bucket/store',
  'steps.a.outputs.x',
  '${{ vars.a }}',
]

function textOf({ pattern, minLength = 0 }: Schema): fc.Arbitrary<string> {
  if (typeof pattern !== 'string') {
    return fc.constantFrom(...wellKnown.filter((text) => text.length >= Number(minLength)))
  }
  const candidates = ['30s', '5m', 'A', 'a_1', 'host:80', '${{ vars.a }}', './plugin', 'x y']
  const fitting = candidates.filter((text) => new RegExp(pattern, 'u').test(text))
  return fitting.length > 0 ? fc.constantFrom(...fitting) : fc.stringMatching(new RegExp(pattern))
}

function mapOf(schema: Schema, root: Schema): fc.Arbitrary<unknown> {
  const properties = (schema.properties ?? {}) as Record<string, Schema>
  const required = (schema.required ?? []) as string[]
  const rest = schema.additionalProperties
  if (Object.keys(properties).length === 0 && typeof rest === 'object' && rest !== null) {
    const values = valuesOf(rest as Schema, root)
    return fc.dictionary(fc.constantFrom('A', 'b_2', 'LONG_NAME'), values, { maxKeys: 2 })
  }
  return fc.record(
    Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, valuesOf(value, root)]),
    ),
    { requiredKeys: required },
  )
}

/** A change that a hand could make, somewhere in a value: another key, another type, something missing or too much. */
export function mutate(value: unknown, { path, change }: Mutation): unknown {
  if (typeof value !== 'object' || value === null) return changed(value, change)
  const keys = Object.keys(value)
  const [step = 0, ...rest] = path
  const key = keys[step % Math.max(1, keys.length)]
  if (key === undefined || rest.length === 0) {
    return Array.isArray(value) ? changed(value, change) : changedMap({ ...value }, key, change)
  }
  const inner = mutate((value as Record<string, unknown>)[key], { path: rest, change })
  return Array.isArray(value)
    ? value.map((item, index) => (String(index) === key ? inner : item))
    : { ...value, [key]: inner }
}

export interface Mutation {
  path: readonly number[]
  change: 'rename' | 'drop' | 'add' | 'type' | 'null' | 'expression' | 'part' | 'nest'
}

export const mutations: fc.Arbitrary<Mutation> = fc.record({
  path: fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }),
  change: fc.constantFrom(
    ...(['rename', 'drop', 'add', 'type', 'null', 'expression', 'part', 'nest'] as const),
  ),
})

function changed(value: unknown, change: Mutation['change']): unknown {
  switch (change) {
    case 'null':
      return null
    case 'expression':
      return '${{ vars.a }}'
    case 'part':
      return 'x${{ vars.a }}y'
    case 'nest':
      return [value]
    default:
      return typeof value === 'string' ? 5 : 'five'
  }
}

function changedMap(
  map: Record<string, unknown>,
  key: string | undefined,
  change: Mutation['change'],
): unknown {
  if (key === undefined || change === 'add') return { ...map, unknown: 1 }
  const { [key]: value, ...others } = map
  if (change === 'drop') return others
  return change === 'rename'
    ? { ...others, [`${key}x`]: value }
    : { ...map, [key]: changed(value, change) }
}
