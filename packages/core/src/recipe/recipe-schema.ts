import { z } from 'zod'
import { duration } from '../plugin/duration.ts'

const environmentName = named(/^[A-Za-z_][A-Za-z0-9_]*$/, {
  code: 'recipe/bad-name',
  noun: 'the name of an environment variable',
  hint: 'use letters, digits and `_`, and begin with a letter or `_`',
})

const identifier = {
  hint: 'use letters, digits, `_` and `-`, and begin with a letter or `_`',
  // Names that an expression can write behind a dot.
  pattern: /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/,
}
const variableName = named(identifier.pattern, {
  code: 'recipe/bad-name',
  noun: 'the name of a variable',
  hint: identifier.hint,
})
const outputName = named(identifier.pattern, {
  code: 'recipe/bad-name',
  noun: 'the name of an output',
  hint: identifier.hint,
})
const stepId = named(identifier.pattern, {
  code: 'recipe/bad-id',
  noun: 'the id of a step',
  hint: identifier.hint,
})

function named(pattern: RegExp, fault: { code: string; noun: string; hint: string }) {
  const error = ({ input }: { input?: unknown }) => `\`${String(input)}\` cannot be ${fault.noun}`
  const { code, hint } = fault
  return z
    .string()
    .refine((text) => pattern.test(text), { error, params: { code, hint } })
    .meta({ pattern: pattern.source })
}

const environment = z.record(environmentName, z.string())

const retry = z.strictObject({
  attempts: z.int().min(1).max(20).describe('How often the step is tried in all.'),
  initial: duration().optional().describe('The longest wait before the second attempt.'),
  max: duration().optional().describe('The longest wait between two attempts.'),
})

// Those by which programs are asked to end; the schema must not depend on the machine that prints it.
const stopSignals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGKILL',
] as const

const shell = z.enum(['bash', 'sh'])

const stepFields = {
  id: stepId.optional().describe('How other steps name this one.'),
  name: z
    .string()
    .min(1)
    .optional()
    .describe('What the step does, for readers; logs show its id, and JSON events both.'),
  uses: z.string().optional().describe('The step of a plugin: `restore/shared`.'),
  run: z.string().min(1).optional().describe('A shell script.'),
  with: z.record(z.string(), z.unknown()).optional().describe('The inputs of the step.'),
  env: environment.optional().describe('Environment variables of this step.'),
  if: z
    .union([z.string().min(1), z.boolean()])
    .optional()
    .describe('A bare expression; the step is skipped where it does not hold.'),
  needs: z
    .array(z.string())
    .optional()
    .describe('The steps this one waits for; `[]` starts at once. Default: the step before it.'),
  optional: z.boolean().optional().describe('Its failure makes the boot degraded, not failed.'),
  retry: retry.optional().describe('How often, and how long apart, it is tried.'),
  timeout: duration().optional().describe('How long one attempt may take.'),
  every: duration().optional().describe('Also runs this often while main runs (shutdown only).'),
  'working-directory': z.string().min(1).optional().describe('Where it runs.'),
  shell: shell.optional().describe('The shell of `run`.'),
  outputs: z
    .array(outputName)
    .optional()
    .describe('The outputs that `run` writes to `$BERTH_OUTPUT` as `name=value` lines.'),
  secrets: z
    .array(environmentName)
    .optional()
    .describe('The secrets that the step sees in its environment.'),
}

/** A step's own keys. What `with` may hold is the plugin's to say. */
export const stepSchema = z.strictObject(stepFields)

/** An item of a pipeline: a step, or `parallel` with steps. Rules between keys are checked apart. */
const itemSchema = z.strictObject({
  ...stepFields,
  parallel: z.array(stepSchema).min(1).optional().describe('Steps that run side by side.'),
})

const pipeline = z.array(itemSchema).nullable().optional()

const variable = z.strictObject({
  env: environmentName.optional().describe('The environment variable that sets it.'),
  default: z
    .union([z.string(), z.number(), z.boolean()])
    .optional()
    .describe('Its value when nothing sets it; a number or true/false makes that its type.'),
  required: z.boolean().optional().describe('It is an error when nothing sets it.'),
  description: z.string().optional().describe('What it is for.'),
})

const main = z.strictObject({
  command: z.array(z.string()).min(1).optional().describe('The program and its arguments.'),
  'working-directory': z.string().min(1).optional().describe('Where it runs.'),
  user: z.string().min(1).optional().describe('The user, or `user:group`, that it runs as.'),
  env: environment.optional().describe('Environment variables of main.'),
  'stop-signal': z.enum(stopSignals).optional().describe('The signal that asks it to end.'),
})

const defaults = z.strictObject({
  timeout: duration().optional().describe('How long one attempt of a step may take.'),
  retry: retry.optional().describe('How often, and how long apart, a step is tried.'),
  env: environment.optional().describe('Environment variables of every step.'),
  shell: shell.optional().describe('The shell of `run`.'),
  'working-directory': z.string().min(1).optional().describe('Where steps run.'),
})

/** The shape of a recipe's own keys, without those that begin with `x-`. */
export const recipeSchema = z.strictObject({
  name: z.string().min(1).optional().describe('What the recipe is called; default: its file.'),
  description: z.string().optional().describe('What the recipe is for.'),
  extends: z.string().min(1).optional().describe('A recipe file that this one changes.'),
  vars: z.record(variableName, variable).optional().describe('What the recipe is told.'),
  secrets: z
    .array(environmentName)
    .optional()
    .describe(
      'Environment variables that are masked, and withheld from steps that do not name them.',
    ),
  env: environment.optional().describe('Environment variables of all steps and of main.'),
  defaults: defaults.optional().describe('What steps have where they do not say otherwise.'),
  boot: pipeline.describe('The steps before main.'),
  main: main.optional().describe("The app's own process."),
  shutdown: pipeline.describe('The steps after main; each runs whatever became of the others.'),
  build: pipeline.describe('The steps of an image build.'),
  grace: duration().optional().describe('How long the shutdown may take.'),
  'on-boot-failure': z
    .enum(['exit', 'hold', 'continue'])
    .optional()
    .describe('What happens when a critical step of the boot fails.'),
})

export type RecipeDocument = z.output<typeof recipeSchema>
export type StepDocument = z.output<typeof stepSchema>

/** Keys that a later version brings, by where they stand; refused until then rather than ignored. */
export const laterKeys: Record<
  'recipe' | 'main' | 'step' | 'variable' | 'other',
  readonly string[]
> = {
  recipe: ['health'],
  main: ['ready'],
  step: ['any-of', 'undo', 'defer', 'lock', 'explain'],
  variable: [],
  other: [],
}
