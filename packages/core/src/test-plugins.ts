import { z } from 'zod'
import { duration } from './plugin/duration.ts'
import { BerthError } from './error.ts'
import { checkRecipe } from './recipe/check-recipe.ts'
import {
  definePlugin,
  defineStep,
  type Plugin,
  type PluginRegistry,
  type StepDefinition,
} from './plugin/plugin.ts'
import type { Recipe, RecipeStep } from './recipe/recipe.ts'

function step(inputs: z.ZodType, outputs: z.ZodType = z.object({})): StepDefinition {
  return defineStep({
    description: 'Does it.',
    inputs,
    outputs,
    plan: () => ({ action: 'run', summary: 'would do it' }),
    run: async () => ({ result: 'done', facts: {} }),
  })
}

const detect = step(
  z.strictObject({
    candidates: z.array(z.string()).default(['/runpod-volume']).describe('Where to look.'),
  }),
  z.object({
    present: z.boolean().describe('Whether there is one.'),
    path: z.string().describe('Where it is; empty when there is none.'),
  }),
)

const directory = z.union([z.string(), z.strictObject({ path: z.string(), optional: z.boolean() })])

const shared = step(
  z.strictObject({
    to: z.string().describe('The directory to fill.'),
    volume: z.string().optional().describe('The network volume.'),
    directories: z.array(directory).min(1).describe('What to restore: names | paths.'),
    existing: z.enum(['aside', 'keep', 'fail']).default('aside').describe('What becomes of it.'),
    jobs: z.int().min(1).max(64).optional().describe('How many at once.'),
    wait: duration().optional().describe('How long to wait.'),
    store: z
      .string()
      .refine((text) => /^(file|s3):\/\//.test(text), {
        message: 'must begin with `file://` or `s3://`',
        params: { hint: 'write it like s3://bucket/prefix' },
      })
      .optional()
      .describe('Where archives live.'),
  }),
)

/** Plugins that do nothing, for tests of recipes. */
export const testPlugins: PluginRegistry = {
  'network-volume': async () =>
    definePlugin({ name: 'network-volume', description: 'Finds it.', steps: { detect } }),
  restore: async () =>
    definePlugin({ name: 'restore', description: 'Restores.', steps: { shared } }),
}

/** One of the test plugins. */
export async function testPlugin(name: string): Promise<Plugin> {
  const plugin = await testPlugins[name]?.()
  if (!plugin) {
    throw new Error(`there is no test plugin ${name}`)
  }
  return plugin
}

/** A step of the boot by its place. */
export function bootStep(recipe: Recipe, index: number): RecipeStep {
  const step = recipe.pipelines.boot?.[index]
  if (!step) {
    throw new Error(`the boot has no step ${index}`)
  }
  return step
}

/** Checks a recipe that must be good. */
export function goodRecipe(text: string): Promise<Recipe> {
  return checkRecipe(text, { file: 'recipe.yaml', plugins: testPlugins })
}

/** The problems of a recipe; none when it is good. */
export async function problemsOf(text: string): Promise<readonly BerthError[]> {
  try {
    await goodRecipe(text)
    return []
  } catch (error) {
    if (error instanceof BerthError && error.code === 'recipe/invalid') {
      return error.problems
    }
    throw error
  }
}
