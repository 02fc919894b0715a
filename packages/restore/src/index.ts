import { definePlugin, defineStep, directoryList, z } from '@berth/core'
import { archiveNameInput } from '@berth/archive/inputs'
import { storeSecrets } from '@berth/object-store'
import { storeUrlInput } from '@berth/object-store/inputs'
import { checkShared } from './check.ts'

const inputs = z.strictObject({
  to: z.string().min(1).describe("The pod's own disk: where the directories appear."),
  volume: z
    .string()
    .default('')
    .describe('The network volume, which may hold the same directories; empty means none.'),
  store: storeUrlInput
    .default('')
    .describe('The store that the archives are in; empty means none: only links are made then.'),
  archive: archiveNameInput
    .min(1)
    .describe(
      'What the archives are called: `comfyui` makes `comfyui/venv` for the directory `venv`.',
    ),
  directories: directoryList.describe(
    'The directories, relative to `to`; none may be given twice or lie in another.',
  ),
  existing: z
    .enum(['aside', 'keep', 'fail'])
    .default('aside')
    .describe(
      'What becomes of a directory that is not empty and not from Berth, when there is something to put in its place: renamed aside, kept, or an error.',
    ),
})

const names = z.array(z.string())

const outputs = z.object({
  linked: names.describe('Directories that are links to the volume.'),
  unpacked: names.describe('Directories that came from the store.'),
  kept: names.describe('Directories that stayed as they were.'),
  absent: names.describe('Directories that are nowhere: neither on the volume nor in the store.'),
  bytes: z.number().describe('What was unpacked, uncompressed.'),
  files: z.number().describe('How many files were unpacked.'),
  seconds: z.number().describe('How long it took.'),
})

/** Directories that pods share, each from the nearest place that has it whole. */
export const restore = definePlugin({
  name: 'restore',
  description:
    'Puts directories in place: a link to the network volume, or unpacked from the store.',
  steps: {
    shared: defineStep({
      description:
        'Makes each directory a link to the volume where the volume holds it and is not behind, else unpacks it from the store; what is whole on this disk stays.',
      inputs,
      outputs,
      reads: storeSecrets,
      check: checkShared,
      plan: async (context) => (await import('./plan-shared.ts')).planShared(context),
      run: async (context) => (await import('./restore-shared.ts')).restoreShared(context),
    }),
  },
})
