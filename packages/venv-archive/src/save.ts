import { hostname } from 'node:os'
import { compactionFacts, latestGeneration, readRecord, saveTree } from '@berth/archive'
import {
  BerthError,
  done,
  skipped,
  unchanged,
  type PlannedAction,
  type StepContext,
} from '@berth/core'
import { doubtStore, openStore, type ObjectStore } from '@berth/object-store'
import { treePlace } from './place.ts'

export interface SaveInputs {
  directory: string
  store: string
  archive: string
  exclude: string[]
  compact: boolean
}

/** Saves the tree. Throws `venv-archive/late` when the time was over before all of it was in the store; what was is saved. */
export async function saveVenv(context: StepContext<SaveInputs>) {
  const { inputs, env, signal, deadline, log, progress } = context
  const directory = treePlace(context)
  const store = await openStore(inputs.store, { env, signal })
  try {
    if (!context.wasUsed && (await isUnseen(directory, inputs.archive, { store, signal }))) {
      return skipped(
        `the boot ended before it was put in place, and ${inputs.archive} may hold newer files`,
      )
    }
    const result = await saveTree({
      store,
      name: inputs.archive,
      directory,
      exclude: inputs.exclude,
      pod: env['RUNPOD_POD_ID'] ?? hostname(),
      level: deadline === undefined ? 'normal' : 'fast',
      deadline,
      compact: inputs.compact && context.periodic,
      signal,
      onProgress: ({ done: bytes, total }) => progress({ done: bytes, total, unit: 'bytes' }),
      onNote: (level, text) => log[level](text),
    })
    if (result.result === 'skipped') return skipped(result.reason)
    const { generation, compacted } = result
    const extra = compactionFacts(compacted)
    const rewritten = compacted?.rewrittenBytes ?? 0
    if (result.result === 'unchanged') {
      if (compacted !== undefined) return done({ generation, files: 0, bytes: rewritten, ...extra })
      return unchanged(`generation ${generation} holds it`, { generation, files: 0, bytes: 0 })
    }
    const { changed, deleted, sibling, late } = result
    const bytes = result.uploadedBytes + rewritten
    if (late.length > 0) {
      throw new BerthError(
        'venv-archive/late',
        `could not save all of \`${directory}\` in time: generation ${generation} of ${inputs.archive} is without ${late.length === 1 ? 'a part' : `${late.length} parts`} of it`,
        {
          hint: 'give the stop more time with `--grace`, or save with `every:` while main runs; the next save takes them up',
        },
      )
    }
    return done({ generation, files: changed, bytes, deleted, sibling, ...extra })
  } finally {
    await store.close()
  }
}

/** What a boot that was cut has not reached is what the image brings: as a new generation it would replace what users have changed. */
async function isUnseen(
  directory: string,
  archive: string,
  { store, signal }: { store: ObjectStore; signal: AbortSignal },
): Promise<boolean> {
  const record = await readRecord(directory)
  if (record?.archive === archive) return false
  return (await latestGeneration(store, archive, { signal })) !== undefined
}

/** What a save would look at; whether anything changed, only the save itself can tell. */
export async function planSave(
  context: Pick<StepContext<SaveInputs>, 'inputs' | 'workingDirectory'>,
): Promise<PlannedAction> {
  const doubt = await doubtStore(context.inputs.store)
  return {
    ...(doubt === undefined ? {} : { warnings: [doubt.text] }),
    action: 'run',
    summary: `save what changed in ${treePlace(context)} as ${context.inputs.archive}`,
  }
}
