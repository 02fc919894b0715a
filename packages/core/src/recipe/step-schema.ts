import { z } from 'zod'
import { duration } from '../plugin/duration.ts'
import { optionalKey } from './optional-key.ts'
import { environment, environmentName, outputName, stepId } from './recipe-names.ts'

/** How often, and how long apart, a step is tried. */
export const retry = () =>
  z.strictObject({
    attempts: z.int().min(1).max(20).describe('How often the step is tried in all.'),
    initial: optionalKey('The longest wait before the second attempt.', duration),
    max: optionalKey('The longest wait between two attempts.', duration),
  })

/** The shells that run scripts. */
export const shell = () => z.enum(['bash', 'sh'])

/** Any text. */
export const text = () => z.string()

/** Text that says something. */
export const filled = () => z.string().min(1)

const lock = () =>
  z.strictObject({
    file: filled().describe(
      'The file of the lease, on the volume that the pods share; it is made.',
    ),
    ttl: optionalKey(
      'How long a holder that was killed still has it, and then as long again; `1m` unless given.',
      duration,
    ),
    wait: optionalKey('How long it is waited for at most; `1h` unless given.', duration),
    'on-busy': optionalKey(
      'What happens while another pod holds it; `wait` unless said otherwise.',
      () => z.enum(['wait', 'skip', 'fail']),
    ),
  })

/** The keys of a step that say what it does; an alternative of a ladder has only these. */
const rungFields = () => ({
  id: optionalKey('How other steps name this one.', stepId),
  name: optionalKey(
    'What the step does, for readers; logs show its id, and JSON events both.',
    filled,
  ),
  uses: optionalKey('The step of a plugin: `restore/shared`.', text),
  run: optionalKey('A shell script.', filled),
  with: optionalKey('The inputs of the step.', () => z.record(z.string(), z.unknown())),
  env: optionalKey('Environment variables of this step.', environment),
  if: optionalKey('A bare expression; the step is skipped where it does not hold.', () =>
    z.union([filled(), z.boolean()]),
  ),
  retry: optionalKey('How often, and how long apart, it is tried.', retry),
  timeout: optionalKey('How long one attempt may take.', duration),
  'working-directory': optionalKey('Where it runs.', filled),
  shell: optionalKey('The shell of `run`.', shell),
  outputs: optionalKey(
    'The outputs that `run` writes to `$BERTH_OUTPUT` as `name=value` lines.',
    () => z.array(outputName()),
  ),
  secrets: optionalKey('The secrets that the step sees in its environment.', () =>
    z.array(environmentName()),
  ),
  undo: optionalKey('A shell script that takes back what `run` did; it may run twice.', filled),
  explain: optionalKey('What its failure means and how to cure it.', filled),
})

const stepFields = () => ({
  ...rungFields(),
  'any-of': optionalKey('Steps that are tried one after another until one ends well.', () =>
    z.array(z.strictObject(rungFields())).min(1),
  ),
  needs: optionalKey(
    'The steps this one waits for; `[]` starts at once. Default: the step before it.',
    () => z.array(z.string()),
  ),
  optional: optionalKey('Its failure makes the boot degraded, not failed.', z.boolean),
  every: optionalKey('Also runs this often while main runs (shutdown only).', duration),
  defer: optionalKey('It starts after main has been started (boot only).', z.boolean),
  lock: optionalKey('A lease that pods agree on: one of them runs the step at a time.', lock),
})

const mergeFields = () => ({
  remove: optionalKey('Removes the step with this id from what is below.', () => z.literal(true)),
  before: optionalKey('The step of what is extended that it is put before.', text),
  after: optionalKey('The step of what is extended that it is put behind.', text),
})

/** A step's own keys. What `with` may hold is the plugin's to say. */
const stepSchema = () => z.strictObject(stepFields())

/** An item of a pipeline: a step, or `parallel` with steps. Rules between keys are checked apart. */
export const itemSchema = () =>
  z.strictObject({
    ...stepFields(),
    ...mergeFields(),
    parallel: optionalKey('Steps that run side by side.', () => z.array(stepSchema()).min(1)),
  })

export type StepDocument = z.output<ReturnType<typeof stepSchema>>
