import { resolve } from 'node:path'
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

/** Throws for what no attempt could cure: a directory of the system, settings of the store that contradict each other. */
export function checkTree(
  context: PlaceContext & Pick<StepContext<{ store: string }>, 'inputs' | 'env'>,
): void {
  treePlace(context)
  checkStore(context.inputs.store, context.env)
}
