import type { StepContext } from '@berth/core'
import { defaultStoreUrl } from '@berth/object-store'
import type { DriverChoice } from '../driver/choose-driver.ts'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { type OptionText, readOptions } from '../driver/link-options.ts'
import type { Layout } from '../mount/layout.ts'
import { chooseSpec } from '../preflight/choose-spec.ts'
import { findPlaces, type Places } from '../mount/places.ts'
import { watchSpec } from '../mount/watch-folder.ts'
import { findFolder } from './find-folder.ts'
import { requireStore } from './inputs.ts'

export interface LinkInputs {
  workspace: string
  folder: string
  user: string
  store: string
  driver: DriverName | 'auto'
  existing: 'move' | 'fail'
  removeOriginals?: boolean
  options: Record<string, OptionText>
}

export type LinkQuestion = Pick<StepContext<LinkInputs>, 'inputs' | 'env' | 'workingDirectory'>

export interface ReadLink {
  layout: Layout
  places: Places
  spec: MountSpec
  choice: DriverChoice
  notes: string[]
}

/**
 * Everything that can be known of a link without contacting or changing anything; `tries` also mounts an empty file system for a moment, to
 * see whether that is allowed.
 */
export async function readLink(
  { inputs, env, workingDirectory }: LinkQuestion,
  { tries }: { tries: boolean },
): Promise<ReadLink> {
  const layout = findFolder({ inputs, workingDirectory })
  const { options, notes } = readOptions(inputs.options)
  const places = findPlaces(env)
  const store = requireStore(inputs.store, defaultStoreUrl(env))
  const { choice, ...chosen } = await chooseSpec({
    wanted: inputs.driver,
    question: { store, env, options, places },
    tries,
  })
  const { driver } = choice
  return {
    layout,
    places,
    spec: driver === 'watch' ? watchSpec(chosen.spec, layout.path, places) : chosen.spec,
    choice,
    notes: [...notes, ...chosen.notes],
  }
}
