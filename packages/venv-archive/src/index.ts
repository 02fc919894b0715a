import { definePlugin, defineStep, z } from '@berth/core'
import {
  archiveNameInput,
  compactInput,
  excludeInput,
  retentionInputs,
} from '@berth/archive/inputs'
import { checkStore, storeSecrets } from '@berth/object-store'
import { storeUrlInput } from '@berth/object-store/inputs'
import { checkTree } from './place.ts'

const directory = z.string().min(1).describe('The tree: a venv, or a directory that holds some.')
const store = storeUrlInput.min(1).describe('The store that the archive is in.')
const archive = archiveNameInput
  .min(1)
  .describe("The archive's name in the store, such as `comfyui/venv`.")

const restoreInputs = z.strictObject({
  directory,
  store,
  archive,
  at: z
    .string()
    .default('')
    .describe(
      'A generation or the name of a snapshot; empty means the newest that fits this machine.',
    ),
  existing: z
    .enum(['aside', 'keep', 'fail'])
    .default('aside')
    .describe('What becomes of a directory that is not empty and not from Berth.'),
  required: z.boolean().default(false).describe('Whether a store without the archive is an error.'),
})

const restoreOutputs = z.object({
  generation: z.number().describe('Which generation is in place; 0 when there is none.'),
  files: z.number().describe('How many files were restored.'),
  bytes: z.number().describe('What was restored, uncompressed.'),
  rewritten: z
    .number()
    .describe('How many files of venvs now name this place, because they were saved at another.'),
})

const saveInputs = z.strictObject({
  directory,
  store,
  archive,
  exclude: z
    .array(excludeInput)
    .default([])
    .describe('Patterns of what stays out, relative to the tree; known token files always do.'),
  compact: compactInput,
})

const saveOutputs = z.object({
  generation: z.number().describe('The generation that holds the tree now.'),
  files: z.number().describe('How many files were new or changed.'),
  bytes: z.number().describe('What was sent to the store.'),
})

const verifyInputs = z.strictObject({
  directory,
  store: storeUrlInput
    .default('')
    .describe('The store whose archive is read and checked as well; empty means none.'),
  archive: archiveNameInput.default('').describe("The archive's name; needed with a store."),
})

const verifyOutputs = z.object({
  venvs: z.number().describe('How many venvs were started.'),
  python: z.array(z.string()).describe('What their interpreters say they are, such as `3.12.4`.'),
  chunks: z.number().describe('How many objects of the store were read and found whole.'),
})

const pruneInputs = z.strictObject({
  store,
  archive: archiveNameInput
    .default('')
    .describe(
      'Forgets snapshots of this archive only; empty means all of the store. What none needs is removed in any case.',
    ),
  ...retentionInputs,
})

const pruneOutputs = z.object({
  snapshots: z.number().describe('How many snapshots were forgotten.'),
  objects: z.number().describe('How many objects were removed.'),
  bytes: z.number().describe('What they took.'),
  marked: z
    .number()
    .describe('How many objects and snapshots can go next time, unless they are used again.'),
  next: z.string().describe('When that is: ISO 8601, UTC; empty when nothing is marked.'),
})

/** One tree with its venvs, in a store and back. */
export const venvArchive = definePlugin({
  name: 'venv-archive',
  description: 'Restores, saves and verifies one tree as a chunked archive, and prunes a store.',
  steps: {
    restore: defineStep({
      description:
        'Puts the tree in place, from the newest snapshot whose Python fits this machine, and starts its interpreters; a tree that is whole stays.',
      inputs: restoreInputs,
      outputs: restoreOutputs,
      reads: storeSecrets,
      check: checkTree,
      plan: async (context) => (await import('./restore.ts')).planRestore(context),
      run: async (context) => (await import('./restore.ts')).restoreVenv(context),
    }),
    save: defineStep({
      description:
        'Saves what changed in the tree as a new snapshot; without a change nothing is sent.',
      inputs: saveInputs,
      outputs: saveOutputs,
      reads: storeSecrets,
      check: checkTree,
      plan: async (context) => (await import('./save.ts')).planSave(context),
      run: async (context) => (await import('./save.ts')).saveVenv(context),
    }),
    verify: defineStep({
      description:
        'Starts the interpreter of every venv in the tree, and reads the archive in the store to the last byte.',
      inputs: verifyInputs,
      outputs: verifyOutputs,
      reads: storeSecrets,
      plan: async (context) => (await import('./verify.ts')).planVerify(context),
      run: async (context) => (await import('./verify.ts')).verifyVenv(context),
    }),
    prune: defineStep({
      description:
        'Forgets old snapshots and removes what none needs, in two phases a grace apart; saves and restores go on meanwhile.',
      inputs: pruneInputs,
      outputs: pruneOutputs,
      reads: storeSecrets,
      check: ({ inputs, env }) => checkStore(inputs.store, env),
      plan: async (context) => (await import('./prune.ts')).planPrune(context),
      run: async (context) => (await import('./prune.ts')).pruneArchives(context),
    }),
  },
})
