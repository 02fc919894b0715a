import { join, resolve } from 'node:path'
import { refuseStoreInside } from '@berth/archive'
import type { PlannedAction, StepContext } from '@berth/core'
import { refuseSystemRoot } from '@berth/filesystem'
import { checkStore, doubtStore } from '@berth/object-store'

export interface SaveInputs {
  from: string
  store: string
  archive: string
  directories: string[]
  exclude: string[]
  compact: boolean
}

/** Throws for what would keep every save from beginning. */
export function checkSave(
  context: Pick<StepContext<SaveInputs>, 'inputs' | 'env' | 'workingDirectory'>,
): void {
  const { inputs, env } = context
  for (const { at } of listSources(context)) refuseStoreInside(at, inputs.store)
  checkStore(inputs.store, env)
}

/** What a save would look at; whether anything changed, only the save itself can tell. */
export async function planSave(
  context: Pick<StepContext<SaveInputs>, 'inputs' | 'workingDirectory'>,
): Promise<PlannedAction> {
  const { inputs } = context
  const places = listSources(context)
  if (inputs.store === '') return { action: 'skipped', summary: 'no store is configured' }
  const names = places.map(({ directory }) => directory).join(', ')
  const doubt = await doubtStore(inputs.store)
  return {
    ...(doubt === undefined ? {} : { warnings: [doubt.text] }),
    action: 'run',
    summary: `save what changed in ${names} as ${inputs.archive}/…`,
  }
}

/** The directories, absolute. Throws `filesystem/system-root`. */
export function listSources({
  inputs,
  workingDirectory,
}: Pick<StepContext<SaveInputs>, 'inputs' | 'workingDirectory'>) {
  const from = resolve(workingDirectory, inputs.from)
  return inputs.directories.map((directory) => {
    const at = join(from, directory)
    refuseSystemRoot(at)
    return { directory, at }
  })
}
