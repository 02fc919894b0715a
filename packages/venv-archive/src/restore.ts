import { lstat, stat } from 'node:fs/promises'
import { latestGeneration, readRecord, restoreTree } from '@berth/archive'
import {
  BerthError,
  done,
  skipped,
  unchanged,
  type PlannedAction,
  type StepContext,
} from '@berth/core'
import { doubtStore, openStore } from '@berth/object-store'
import { treePlace } from './place.ts'
import { startVenvs } from './start-venvs.ts'

export interface RestoreInputs {
  directory: string
  store: string
  archive: string
  at: string
  existing: 'aside' | 'keep' | 'fail'
  required: boolean
}

const nothing = { generation: 0, files: 0, bytes: 0, rewritten: 0 }

type PlanContext = Omit<StepContext<RestoreInputs>, 'willUndo' | 'progress'>

/** Restores the tree and starts its interpreters: a tree that can't be used is not restored. */
export async function restoreVenv(context: StepContext<RestoreInputs>) {
  const { inputs, env, signal, log, progress } = context
  const directory = treePlace(context)
  const store = await openStore(inputs.store, { env, signal })
  try {
    const target = await linkTarget(directory)
    if (target !== undefined) return unchanged(target, nothing)
    const doubt = await doubtStore(inputs.store)
    if (doubt !== undefined) log.warn(doubt.text)
    const result = await restoreTree({
      store,
      name: inputs.archive,
      directory,
      existing: inputs.existing,
      ...(inputs.at === '' ? {} : { at: inputs.at }),
      signal,
      onProgress: ({ done: bytes, total }) => progress({ done: bytes, total, unit: 'bytes' }),
      onNote: (level, text) => log[level](text),
    })
    if (result.result === 'absent') return settleAbsent(context)
    await startVenvs(directory, { signal, warn: log.warn })
    const { generation } = result
    if (result.result === 'kept') return unchanged(result.reason, { ...nothing, generation })
    if (result.aside !== undefined) log.warn(`what was there is now at ${result.aside}`)
    const { files, bytes, rewritten } = result
    return done({ generation, files, bytes, rewritten })
  } finally {
    await store.close()
  }
}

/** What a restore would do; asks the store for its newest generation. */
export async function planRestore(context: PlanContext): Promise<PlannedAction> {
  const [action, doubt] = await Promise.all([planTree(context), doubtStore(context.inputs.store)])
  return doubt === undefined ? action : { ...action, warnings: [doubt.text] }
}

async function planTree(context: PlanContext): Promise<PlannedAction> {
  const { inputs, env, signal } = context
  const directory = treePlace(context)
  const store = await openStore(inputs.store, { env, signal })
  try {
    const target = await linkTarget(directory)
    if (target !== undefined) return { action: 'unchanged', summary: target }
    const record = await readRecord(directory)
    const isThere = (await stat(directory).catch(() => undefined)) !== undefined
    if (
      isThere &&
      record?.complete === true &&
      record.archive === inputs.archive &&
      inputs.at === ''
    ) {
      return {
        action: 'unchanged',
        summary: `${directory} is generation ${record.generation} already`,
      }
    }
    const generation = await latestGeneration(store, inputs.archive, { signal })
    if (generation === undefined)
      return { action: 'skipped', summary: absentReason(inputs.archive) }
    const which = inputs.at === '' ? `generation ${generation}, or the newest that fits` : inputs.at
    return { action: 'run', summary: `restore ${inputs.archive} (${which}) to ${directory}` }
  } finally {
    await store.close()
  }
}

/** A link is someone's decision about where the tree lies: it is never replaced by this step. */
async function linkTarget(directory: string): Promise<string | undefined> {
  const found = await lstat(directory).catch(() => undefined)
  if (found?.isSymbolicLink() !== true) return undefined
  if ((await stat(directory).catch(() => undefined)) !== undefined)
    return `${directory} is a link to a directory`
  throw new BerthError(
    'venv-archive/broken-link',
    `could not restore \`${directory}\`: it is a link that leads nowhere`,
    {
      hint: `remove the link \`${directory}\`, or mount what it leads to`,
    },
  )
}

function settleAbsent({ inputs }: StepContext<RestoreInputs>) {
  const { archive, store, required } = inputs
  if (!required) return skipped(absentReason(archive), nothing)
  throw new BerthError(
    'venv-archive/absent',
    `could not restore \`${archive}\`: the store \`${store}\` has no such archive`,
    {
      hint: 'save one first, or correct the name: `berth archive list` shows what the store holds',
    },
  )
}

function absentReason(archive: string): string {
  return `the store has no archive ${archive}`
}
