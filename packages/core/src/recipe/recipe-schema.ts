import { z } from 'zod'
import { duration } from '../plugin/duration.ts'
import { httpUrl } from './http-url.ts'
import { environment, environmentName, variableName } from './recipe-names.ts'
import { itemSchema, retry, shell } from './step-schema.ts'

// A process uses a schema once or twice; to compile a parser for it first would take longer than that.
z.config({ jitless: true })

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

const addressPattern = /^(.+:.+|\$\{\{[\s\S]*\}\})$/

// A number is a port of this container.
const address = z.union([
  z.int().min(1).max(65_535),
  z
    .string()
    .refine((text) => addressPattern.test(text), { error: 'must be a port or `host:port`' })
    .meta({ pattern: addressPattern.source }),
])

const ready = z.strictObject({
  http: httpUrl.optional().describe('A URL that answers with 200 to 399.'),
  tcp: address.optional().describe('A port, or `host:port`, that takes connections.'),
  file: z.string().min(1).optional().describe('A file that exists.'),
  timeout: duration().optional().describe('How long main may take until it is ready.'),
})

const health = z.strictObject({
  listen: address.optional().describe('Where the health endpoints answer.'),
  progress: address
    .optional()
    .describe("Main's own address: a page shows how the boot gets on there until main starts."),
})

const main = z.strictObject({
  command: z.array(z.string()).min(1).optional().describe('The program and its arguments.'),
  'working-directory': z.string().min(1).optional().describe('Where it runs.'),
  user: z.string().min(1).optional().describe('The user, or `user:group`, that it runs as.'),
  env: environment.optional().describe('Environment variables of main.'),
  'stop-signal': z.enum(stopSignals).optional().describe('The signal that asks it to end.'),
  ready: ready.optional().describe('How it shows that it can be used.'),
})

const defaults = z.strictObject({
  timeout: duration().optional().describe('How long one attempt of a step may take.'),
  retry: retry.optional().describe('How often, and how long apart, a step is tried.'),
  env: environment.optional().describe('Environment variables of every step.'),
  shell: shell.optional().describe('The shell of `run`.'),
  'working-directory': z.string().min(1).optional().describe('Where steps run.'),
})

const restartBudget = z.strictObject({
  action: z.literal('hold').describe('The container is kept, and not started again.'),
  after: z.int().min(1).describe('So many boots may fail before that; each of them ends with 1.'),
  within: duration().optional().describe('Failures longer ago do not count; default: 1h.'),
})

/** The shape of a recipe's own keys, without those that begin with `x-`. */
export const recipeSchema = z.strictObject({
  name: z.string().min(1).optional().describe('What the recipe is called; default: its file.'),
  description: z.string().optional().describe('What the recipe is for.'),
  extends: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe('Recipe files that this one changes; of several, the later on top.'),
  overlay: z
    .string()
    .min(1)
    .optional()
    .describe('A recipe file, say on a volume, that is merged on top where it exists.'),
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
    .union([z.enum(['exit', 'hold', 'continue']), restartBudget])
    .optional()
    .describe('What happens when a critical step of the boot fails.'),
  health: health.optional().describe('HTTP endpoints that say how the container is.'),
})

export type RecipeDocument = z.output<typeof recipeSchema>
