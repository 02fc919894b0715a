import { z } from 'zod'
import { duration } from '../plugin/duration.ts'
import { environment, environmentName, outputName, stepId } from './recipe-names.ts'

/** How often, and how long apart, a step is tried. */
export const retry = z.strictObject({
  attempts: z.int().min(1).max(20).describe('How often the step is tried in all.'),
  initial: duration().optional().describe('The longest wait before the second attempt.'),
  max: duration().optional().describe('The longest wait between two attempts.'),
})

/** The shells that run scripts. */
export const shell = z.enum(['bash', 'sh'])

const lock = z.strictObject({
  file: z
    .string()
    .min(1)
    .describe('The file of the lease, on the volume that the pods share; it is made.'),
  ttl: duration()
    .optional()
    .describe(
      'How long a holder that was killed still has it, and then as long again; `1m` unless given.',
    ),
  wait: duration().optional().describe('How long it is waited for at most; `1h` unless given.'),
  'on-busy': z
    .enum(['wait', 'skip', 'fail'])
    .optional()
    .describe('What happens while another pod holds it; `wait` unless said otherwise.'),
})

/** The keys of a step that say what it does; an alternative of a ladder has only these. */
const rungFields = {
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
  retry: retry.optional().describe('How often, and how long apart, it is tried.'),
  timeout: duration().optional().describe('How long one attempt may take.'),
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
  undo: z
    .string()
    .min(1)
    .optional()
    .describe('A shell script that takes back what `run` did; it may run twice.'),
  explain: z.string().min(1).optional().describe('What its failure means and how to cure it.'),
}

const rungSchema = z.strictObject(rungFields)

const stepFields = {
  ...rungFields,
  'any-of': z
    .array(rungSchema)
    .min(1)
    .optional()
    .describe('Steps that are tried one after another until one ends well.'),
  needs: z
    .array(z.string())
    .optional()
    .describe('The steps this one waits for; `[]` starts at once. Default: the step before it.'),
  optional: z.boolean().optional().describe('Its failure makes the boot degraded, not failed.'),
  every: duration().optional().describe('Also runs this often while main runs (shutdown only).'),
  defer: z.boolean().optional().describe('It starts after main has been started (boot only).'),
  lock: lock
    .optional()
    .describe('A lease that pods agree on: one of them runs the step at a time.'),
}

const mergeFields = {
  remove: z.literal(true).optional().describe('Removes the step with this id from what is below.'),
  before: z.string().optional().describe('The step of what is extended that it is put before.'),
  after: z.string().optional().describe('The step of what is extended that it is put behind.'),
}

/** A step's own keys. What `with` may hold is the plugin's to say. */
export const stepSchema = z.strictObject(stepFields)

/** An item of a pipeline: a step, or `parallel` with steps. Rules between keys are checked apart. */
export const itemSchema = z.strictObject({
  ...stepFields,
  ...mergeFields,
  parallel: z.array(stepSchema).min(1).optional().describe('Steps that run side by side.'),
})

export type StepDocument = z.output<typeof stepSchema>
