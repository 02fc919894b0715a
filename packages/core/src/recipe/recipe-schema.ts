import { z } from 'zod'
import { duration } from '../plugin/duration.ts'
import { httpUrl } from './http-url.ts'
import { optionalKey } from './optional-key.ts'
import { environment, environmentName, variableName } from './recipe-names.ts'
import { filled, itemSchema, retry, shell, text } from './step-schema.ts'

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

// The lists of steps take the same.
const item = z.lazy(itemSchema)
const pipeline = () => z.array(item).nullable()

const variable = () =>
  z.strictObject({
    env: optionalKey('The environment variable that sets it.', environmentName),
    default: optionalKey(
      'Its value when nothing sets it; a number or true/false makes that its type.',
      () => z.union([z.string(), z.number(), z.boolean()]),
    ),
    required: optionalKey('It is an error when nothing sets it.', z.boolean),
    description: optionalKey('What it is for.', text),
  })

const addressPattern = /^(.+:.+|\$\{\{[\s\S]*\}\})$/

// A number is a port of this container.
const address = () =>
  z.union([
    z.int().min(1).max(65_535),
    z
      .string()
      .refine((value) => addressPattern.test(value), { error: 'must be a port or `host:port`' })
      .meta({ pattern: addressPattern.source }),
  ])

const ready = () =>
  z.strictObject({
    http: optionalKey('A URL that answers with 200 to 399.', httpUrl),
    tcp: optionalKey('A port, or `host:port`, that takes connections.', address),
    file: optionalKey('A file that exists.', filled),
    timeout: optionalKey('How long main may take until it is ready.', duration),
  })

const health = () =>
  z.strictObject({
    listen: optionalKey('Where the health endpoints answer.', address),
    progress: optionalKey(
      "Main's own address: a page shows how the boot gets on there until main starts.",
      address,
    ),
  })

const main = () =>
  z.strictObject({
    command: optionalKey('The program and its arguments.', () => z.array(z.string()).min(1)),
    'working-directory': optionalKey('Where it runs.', filled),
    user: optionalKey('The user, or `user:group`, that it runs as.', filled),
    env: optionalKey('Environment variables of main.', environment),
    'stop-signal': optionalKey('The signal that asks it to end.', () => z.enum(stopSignals)),
    ready: optionalKey('How it shows that it can be used.', ready),
  })

const defaults = () =>
  z.strictObject({
    timeout: optionalKey('How long one attempt of a step may take.', duration),
    retry: optionalKey('How often, and how long apart, a step is tried.', retry),
    env: optionalKey('Environment variables of every step.', environment),
    shell: optionalKey('The shell of `run`.', shell),
    'working-directory': optionalKey('Where steps run.', filled),
  })

const restartBudget = () =>
  z.strictObject({
    action: z.literal('hold').describe('The container is kept, and not started again.'),
    after: z.int().min(1).describe('So many boots may fail before that; each of them ends with 1.'),
    within: optionalKey('Failures longer ago do not count; default: 1h.', duration),
  })

/** The shape of a recipe's own keys, without those that begin with `x-`. */
export const recipeSchema = z.strictObject({
  name: optionalKey('What the recipe is called; default: its file.', filled),
  description: optionalKey('What the recipe is for.', text),
  extends: optionalKey('Recipe files that this one changes; of several, the later on top.', () =>
    z.union([filled(), z.array(filled()).min(1)]),
  ),
  overlay: optionalKey(
    'A recipe file, say on a volume, that is merged on top where it exists.',
    filled,
  ),
  vars: optionalKey('What the recipe is told.', () => z.record(variableName(), variable())),
  secrets: optionalKey(
    'Environment variables that are masked, and withheld from steps that do not name them.',
    () => z.array(environmentName()),
  ),
  env: optionalKey('Environment variables of all steps and of main.', environment),
  defaults: optionalKey('What steps have where they do not say otherwise.', defaults),
  boot: optionalKey('The steps before main.', pipeline),
  main: optionalKey("The app's own process.", main),
  shutdown: optionalKey('The steps after main; each runs whatever became of the others.', pipeline),
  build: optionalKey('The steps of an image build.', pipeline),
  grace: optionalKey('How long the shutdown may take.', duration),
  'on-boot-failure': optionalKey('What happens when a critical step of the boot fails.', () =>
    z.union([z.enum(['exit', 'hold', 'continue']), restartBudget()]),
  ),
  health: optionalKey('HTTP endpoints that say how the container is.', health),
})

export type RecipeDocument = z.output<typeof recipeSchema>
