import { isAbsolute, join } from 'node:path'
import type { StepContext } from '@berth/core'
import { defaultStoreUrl } from '@berth/object-store'
import { chooseDriver, type DriverChoice } from '../driver/choose-driver.ts'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { type OptionText, readOptions } from '../driver/link-options.ts'
import { type Layout, layoutOf } from '../mount/layout.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { findPlaces, type Places } from '../mount/places.ts'
import { watchSpec } from '../mount/watch-folder.ts'
import { readFuseFacts } from '../preflight/fuse-facts.ts'
import { judgeFuse } from '../preflight/judge-fuse.ts'
import { requireStore } from './inputs.ts'

export interface LinkInputs {
  workspace: string
  folder: string
  user: string
  store: string
  driver: DriverName | 'auto'
  existing: 'move' | 'fail'
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

/** Everything that can be known of a link without contacting or changing anything. */
export function readLink({ inputs, env, workingDirectory }: LinkQuestion): ReadLink {
  const { workspace, folder, user } = inputs
  const absolute = isAbsolute(workspace) ? workspace : join(workingDirectory, workspace)
  const layout = layoutOf({ workspace: absolute, folder, user })
  const { options, notes } = readOptions(inputs.options)
  const places = findPlaces(env)
  const facts = readFuseFacts(env['PATH'])
  const choice = chooseDriver({
    wanted: inputs.driver,
    problems: judgeFuse(facts, options.allowOther),
    programs: facts.programs,
    hasSessionToken: Boolean(env['AWS_SESSION_TOKEN']?.trim()),
  })
  const store = requireStore(inputs.store, defaultStoreUrl(env))
  const { driver } = choice
  const spec = createMountSpec({ store, env, driver, options, places })
  return {
    layout,
    places,
    spec: driver === 'watch' ? watchSpec(spec, layout.path, places) : spec,
    choice,
    notes,
  }
}
