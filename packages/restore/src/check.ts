import { resolve } from 'node:path'
import { refuseStoreInside } from '@berth/archive'
import type { StepContext } from '@berth/core'
import { refuseSystemRoot } from '@berth/filesystem'
import { checkStore } from '@berth/object-store'
import type { Existing } from './choose-source.ts'

export interface SharedInputs {
  to: string
  volume: string
  store: string
  archive: string
  directories: string[]
  existing: Existing
}

export type PlanContext = Omit<StepContext<SharedInputs>, 'willUndo' | 'progress'>

/** Throws for what no attempt could cure: a directory of the system, a store inside it, settings that contradict each other. */
export function checkShared({
  inputs,
  env,
  workingDirectory,
}: Pick<PlanContext, 'inputs' | 'env' | 'workingDirectory'>): void {
  for (const directory of inputs.directories) {
    const at = resolve(workingDirectory, inputs.to, directory)
    refuseSystemRoot(at)
    refuseStoreInside(at, inputs.store)
  }
  checkStore(inputs.store, env)
}
