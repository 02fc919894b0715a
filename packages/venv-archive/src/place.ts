import { resolve } from 'node:path'
import { refuseStoreInside } from '@berth/archive'
import type { StepContext } from '@berth/core'
import { refuseSystemRoot } from '@berth/filesystem'
import { checkStore } from '@berth/object-store'

type PlaceContext = Pick<StepContext<{ directory: string }>, 'inputs' | 'workingDirectory'>

/** The tree's absolute path. Throws `filesystem/system-root`. */
export function treePlace({ inputs, workingDirectory }: PlaceContext): string {
  const directory = resolve(workingDirectory, inputs.directory)
  refuseSystemRoot(directory)
  return directory
}

/** Throws for what no attempt could cure: a directory of the system, a store inside it, settings that contradict each other. */
export function checkTree(
  context: PlaceContext & Pick<StepContext<{ store: string }>, 'inputs' | 'env'>,
): void {
  refuseStoreInside(treePlace(context), context.inputs.store)
  checkStore(context.inputs.store, context.env)
}
