import { definePlugin, defineStep, directoryList, z } from '@berth/core'
import { archiveNameInput, compactInput, excludeInput } from '@berth/archive/inputs'
import { storeSecrets } from '@berth/object-store'
import { storeUrlInput } from '@berth/object-store/inputs'
import { checkSave, planSave } from './save-sources.ts'

const from = z.string().min(1).describe("The pod's own disk: where the app finds the directories.")
const directories = directoryList.describe(
  'The directories, relative to `from`; none may be given twice or lie in another.',
)
const names = z.array(z.string())
const seconds = z.number().describe('How long it took.')

const copyInputs = z.strictObject({
  from,
  volume: z.string().default('').describe('The network volume; empty means none.'),
  directories,
  update: z
    .boolean()
    .default(false)
    .describe(
      'Also replaces what the volume holds, unless that is the same or newer; the old one is renamed aside.',
    ),
})

const copyOutputs = z.object({
  copied: names.describe('Directories that were copied.'),
  unchanged: names.describe('Directories that the volume holds already.'),
  skipped: names.describe(
    'Directories that are not there, not whole, or being copied by another pod.',
  ),
  bytes: z.number().describe('What was copied.'),
  files: z.number().describe('How many files were copied.'),
  seconds,
})

const saveInputs = z.strictObject({
  from,
  store: storeUrlInput.default('').describe('The store to save to; empty means none.'),
  archive: archiveNameInput
    .min(1)
    .describe(
      'What the archives are called: `comfyui` makes `comfyui/venv` for the directory `venv`.',
    ),
  directories,
  exclude: z
    .array(excludeInput)
    .default([])
    .describe(
      'Patterns of what stays out, relative to each directory; known token files always do.',
    ),
  compact: compactInput,
})

const saveOutputs = z.object({
  saved: names.describe('Directories of which a new snapshot was saved.'),
  unchanged: names.describe('Directories that the store holds as they are.'),
  skipped: names.describe('Directories that were not saved; the log says why.'),
  bytes: z.number().describe('What was sent to the store.'),
  files: z.number().describe('How many files were new or changed.'),
  seconds,
})

/** Directories that pods share, put away: on the volume for the next pod, and in the store for good. */
export const sharedData = definePlugin({
  name: 'shared-data',
  description: 'Copies directories to the network volume and saves them to the store.',
  steps: {
    copy: defineStep({
      description:
        'Copies to the volume what the volume lacks: whole and checked, or not at all; two pods at once end with one copy.',
      inputs: copyInputs,
      outputs: copyOutputs,
      plan: async (context) => (await import('./copy-shared.ts')).planCopy(context),
      run: async (context) => (await import('./copy-shared.ts')).copyShared(context),
    }),
    save: defineStep({
      description:
        'Saves what changed in each directory to the store, from the volume where the directory is a link to it.',
      inputs: saveInputs,
      outputs: saveOutputs,
      reads: storeSecrets,
      check: checkSave,
      plan: planSave,
      run: async (context) => (await import('./save-shared.ts')).saveShared(context),
    }),
  },
})
