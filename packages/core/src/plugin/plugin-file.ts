import { z } from 'zod'
import { environmentName, outputName } from '../recipe/recipe-names.ts'
import { shell } from '../recipe/step-schema.ts'
import { inputDescription } from './input-schema.ts'

const output = z.strictObject({
  type: z
    .enum(['string', 'integer', 'number', 'boolean'])
    .optional()
    .describe('What it is; `string` unless said otherwise.'),
  description: z.string().min(1).optional().describe('What it holds.'),
  value: z.string().min(1).optional().describe('Of a plugin of several steps: an expression.'),
})

const script = z.string().min(1).optional()

/** The shape of `plugin.yaml`. The steps of one that has several are checked as those of a recipe. */
export const pluginFileSchema = z.strictObject({
  name: z.string().min(1).describe('What it is called.'),
  description: z.string().min(1).describe('What it does, in a sentence.'),
  inputs: z.record(outputName(), inputDescription).optional().describe('What it takes in `with`.'),
  outputs: z.record(outputName(), output).optional().describe('What steps after it can name.'),
  secrets: z.array(environmentName()).optional().describe('The secrets that it reads.'),
  requires: z.array(z.string().min(1)).optional().describe('The commands that must be in PATH.'),
  check: script.describe('A script that ends well where nothing is to be done; it writes nothing.'),
  run: script.describe('A shell script; `$BERTH_PLUGIN` is the folder, `$INPUT_NAME` an input.'),
  undo: script.describe('A shell script that takes back what `run` did; it may run twice.'),
  shell: shell().optional().describe('The shell of the scripts.'),
  steps: z.array(z.unknown()).min(1).optional().describe('Steps instead of `run`.'),
})

/** A `plugin.yaml` in which the shape is right. */
export type PluginFile = z.output<typeof pluginFileSchema>
