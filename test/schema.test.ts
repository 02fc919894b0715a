import { checkRecipe, isBerthError } from '@berth/core'
import { recipeJsonSchema } from '@berth/core/docs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import * as path from 'node:path'
import { expect, test } from 'vitest'
import { parseRecipe } from '../packages/core/src/recipe/parse-recipe.ts'
import { plainValue } from '../packages/core/src/recipe/recipe-node.ts'
import { plugins } from '../packages/cli/src/plugins.ts'
import { mutate, mutations, valuesOf, type Schema } from './schema-values.ts'
import { listFiles, readText, root } from './workspace.ts'

const schema = (await recipeJsonSchema(plugins)) as Schema
const accepts = new Ajv2020({ strict: false, allErrors: false }).compile(schema)

/** The codes of what the validator says of a recipe, which is given as JSON: that is YAML too. */
async function codesOf(recipe: unknown): Promise<string[]> {
  try {
    await checkRecipe(JSON.stringify(recipe), { file: path.join(root, 'recipe.yaml'), plugins })
    return []
  } catch (error) {
    if (!isBerthError(error)) throw error
    return error.problems.map(({ code }) => code)
  }
}

/** What a JSON Schema can hold; every other rule only the validator knows. */
const shapes = new Set(
  ['unknown-key', 'unknown-input', 'missing-input', 'wrong-type', 'bad-name', 'bad-id'].map(
    (code) => `recipe/${code}`,
  ),
)

const steps = (schema.$defs as { step: { allOf: { if: Schema; then: Schema }[] } }).step.allOf
const usesSteps = steps.map(({ if: condition, then: rule }) => {
  const { uses } = condition.properties as { uses: Schema }
  const inputs = (rule.properties as { with: Schema }).with
  return fc.record({ uses: valuesOf(uses, schema), with: valuesOf(inputs, schema) })
})
const {
  boot: _boot,
  shutdown: _shutdown,
  build: _build,
  ...keys
} = schema.properties as Record<string, Schema>
const { $defs } = schema as { $defs: { step: Schema } }
const ownSteps = valuesOf({ ...$defs.step, allOf: undefined }, schema)
const anySteps = fc.oneof(...usesSteps, ownSteps)
const pipelines = fc.option(
  fc.array(
    fc.oneof(anySteps, fc.record({ parallel: fc.array(anySteps, { minLength: 1, maxLength: 2 }) })),
    {
      maxLength: 3,
    },
  ),
)
const recipes = fc.record(
  {
    ...Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [key, valuesOf(value, schema)]),
    ),
    boot: pipelines,
    shutdown: pipelines,
    build: pipelines,
  },
  { requiredKeys: ['boot'] },
)

/** Recipes in which next to nothing is wrong: what a step is told is right, and nothing is named but one variable. */
const sound = fc.record(
  {
    vars: fc.constant({ a: { default: 'x' } }),
    boot: fc.array(
      fc.oneof(
        ...usesSteps,
        fc.record(
          {
            run: fc.constantFrom('true', 'echo ${{ vars.a }}'),
            timeout: fc.constantFrom('5s', '1h30m'),
            optional: fc.boolean(),
            if: fc.constantFrom<unknown>(true, 'vars.a', '${{ always() }}'),
            retry: fc.record({ attempts: fc.integer({ min: 1, max: 20 }) }),
            env: fc.constantFrom({ A: '${{ vars.a }}' }, {}),
            shell: fc.constantFrom('bash', 'sh'),
          },
          { requiredKeys: ['run'] },
        ),
      ),
      { maxLength: 2 },
    ),
    main: fc.constantFrom({ command: ['app'] }, { ready: { tcp: 80 } }),
    grace: fc.constant('10s'),
  },
  { requiredKeys: ['vars', 'boot'] },
)

/** Asks both, and requires that they agree as far as they can. */
async function judge(recipe: unknown): Promise<{ isAccepted: boolean; isRight: boolean }> {
  const codes = await codesOf(recipe)
  const isAccepted = accepts(recipe)
  if (codes.length === 0) expect(isAccepted, JSON.stringify(accepts.errors)).toBe(true)
  const seen = codes.filter((code) => shapes.has(code))
  if (seen.length > 0) expect(isAccepted, seen.join(', ')).toBe(false)
  return { isAccepted, isRight: codes.length === 0 }
}

const runs = Number(process.env.SCHEMA_RUNS ?? 500)

test('what the schema refuses the validator refuses, and it sees what is wrong with a shape', async () => {
  const counts = { refused: 0, accepted: 0, right: 0 }
  const changes = fc.array(mutations, { maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(fc.oneof(recipes, sound), changes, async (recipe, list) => {
      const { isAccepted, isRight } = await judge(list.reduce<unknown>(mutate, recipe))
      counts[isAccepted ? 'accepted' : 'refused'] += 1
      if (isRight) counts.right += 1
    }),
    { numRuns: runs },
  )
  // One that saw recipes of one kind only would show nothing.
  expect(Math.min(...Object.values(counts)), JSON.stringify(counts)).toBeGreaterThan(runs / 25)
})

test.each(listFiles('recipes', /\.ya?ml$/))('%s, changed, is judged alike', async (file) => {
  const parsed = parseRecipe(readText(file), file).root
  const recipe: unknown = parsed && plainValue(parsed)
  expect(await judge(recipe)).toEqual({ isAccepted: true, isRight: true })
  const changes = fc.array(mutations, { minLength: 1, maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(changes, (list) => judge(list.reduce<unknown>(mutate, recipe)).then(() => {})),
    { numRuns: runs / 5 },
  )
})
