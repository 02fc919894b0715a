import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { recipeJsonSchema } from './json-schema.ts'
import { parseRecipe } from './parse-recipe.ts'
import { plainValue } from './recipe-node.ts'
import { testPlugins } from '../test-plugins.ts'

type Json = Record<string, unknown>
const schema = (await recipeJsonSchema(testPlugins)) as Json

/** As much of JSON Schema as the recipe's schema uses; throws on any other keyword, so that none is skipped in silence. */
function isValid(rule: unknown, value: unknown): boolean {
  if (typeof rule !== 'object' || rule === null) {
    return rule !== false
  }
  return Object.entries(rule).every(([keyword, argument]) =>
    checkKeyword(rule as Json, keyword, argument, value),
  )
}

function checkKeyword(rule: Json, keyword: string, argument: unknown, value: unknown): boolean {
  const map =
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  const all = (rules: unknown) => (rules as unknown[]).map((one) => isValid(one, value))
  switch (keyword) {
    case 'title':
    case 'description':
    case 'default':
    case '$defs':
    case 'patternProperties':
    case 'then':
      return true
    case '$ref':
      return isValid((schema.$defs as Json)[String(argument).replace('#/$defs/', '')], value)
    case 'type':
      return [argument]
        .flat()
        .some(
          (type) =>
            type === typeName(value) || (type === 'number' && typeName(value) === 'integer'),
        )
    case 'const':
      return value === argument
    case 'enum':
      return (argument as unknown[]).includes(value)
    case 'pattern':
      return typeof value !== 'string' || new RegExp(String(argument)).test(value)
    case 'minLength':
      return typeof value !== 'string' || value.length >= Number(argument)
    case 'minimum':
      return typeof value !== 'number' || value >= Number(argument)
    case 'maximum':
      return typeof value !== 'number' || value <= Number(argument)
    case 'minItems':
      return !Array.isArray(value) || value.length >= Number(argument)
    case 'items':
      return !Array.isArray(value) || value.every((item) => isValid(argument, item))
    case 'anyOf':
      return all(argument).includes(true)
    case 'allOf':
      return !all(argument).includes(false)
    case 'if':
      return !isValid(argument, value) || isValid(rule.then, value)
    case 'required':
      return !map || (argument as string[]).every((key) => Object.hasOwn(map, key))
    case 'propertyNames':
      return !map || Object.keys(map).every((key) => isValid(argument, key))
    case 'properties':
      return (
        !map || Object.entries(map).every(([key, item]) => isValid((argument as Json)[key], item))
      )
    case 'additionalProperties': {
      const patterns = Object.keys((rule.patternProperties as Json) ?? {})
      const known = Object.keys((rule.properties as Json) ?? {})
      const isOther = (key: string) =>
        !known.includes(key) && !patterns.some((pattern) => new RegExp(pattern).test(key))
      return (
        !map || Object.entries(map).every(([key, item]) => !isOther(key) || isValid(argument, item))
      )
    }
    default:
      throw new Error(`the schema uses ${keyword}`)
  }
}

function typeName(value: unknown): string {
  if (value === null) {
    return 'null'
  }
  if (Array.isArray(value)) {
    return 'array'
  }
  return Number.isInteger(value) ? 'integer' : typeof value
}

const cases = readFileSync(new URL('mistakes.md', import.meta.url), 'utf8')
  .split(/^## /m)
  .slice(1)
  .map((section) => ({
    title: section.split('\n', 1)[0] ?? '',
    wrong: /^```yaml wrong\n(.*?)^```$/ms.exec(section)?.[1] ?? '',
    right: /^```yaml right\n(.*?)^```$/ms.exec(section)?.[1] ?? '',
    code: /^\d+:\d+ ([a-z/-]+):/m.exec(section)?.[1] ?? '',
  }))

function valueOf(text: string): unknown {
  const { root } = parseRecipe(text, 'recipe.yaml')
  return root && plainValue(root)
}

test.each(cases)('an editor accepts the twin of: $title', ({ right }) => {
  expect(isValid(schema, valueOf(right))).toBe(true)
})

const shapeCodes = new Set(
  [
    'unknown-key',
    'unknown-plugin',
    'unknown-step',
    'missing-input',
    'unknown-input',
    'wrong-type',
    'bad-value',
  ].map((problem) => `recipe/${problem}`),
)
// The rule about stores is code, and what lies beside the recipe a fact, which JSON Schema can't hold.
const shapes = cases.filter(
  ({ code, title }) => shapeCodes.has(code) && !/store URL|^A plugin /.test(title),
)

test('there are enough mistakes of shape', () => {
  expect(shapes.length).toBeGreaterThan(25)
})

test.each(shapes)('an editor refuses: $title', ({ wrong }) => {
  expect(isValid(schema, valueOf(wrong))).toBe(false)
})

test('an expression may stand wherever an input is not text', () => {
  const recipe = (inputs: object) => ({
    boot: [{ uses: 'restore/shared', with: { to: '/w', directories: ['a'], ...inputs } }],
  })
  expect(isValid(schema, recipe({ jobs: '${{ vars.a }}', existing: '${{ vars.b }}' }))).toBe(true)
  expect(isValid(schema, recipe({ jobs: 'four' }))).toBe(false)
})

test('without plugins it is a schema still', async () => {
  const { $defs } = (await recipeJsonSchema({})) as { $defs: { item: { allOf?: unknown } } }
  expect($defs.item.allOf).toBeUndefined()
})
