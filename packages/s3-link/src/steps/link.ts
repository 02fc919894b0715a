import { isAbsolute, join } from 'node:path'
import { BerthError, done, type PlannedAction, type StepContext, unchanged } from '@berth/core'
import { defaultStoreUrl } from '@berth/object-store'
import { chooseDriver, type DriverChoice } from '../driver/choose-driver.ts'
import { readOptions } from '../driver/link-options.ts'
import type { OptionText } from '../driver/link-options.ts'
import type { DriverName, MountSpec } from '../driver/driver.ts'
import { ensureMount } from '../mount/ensure-mount.ts'
import { type Layout, layoutOf } from '../mount/layout.ts'
import { inspectFolder, putFolderLink, repairLink } from '../mount/link-folder.ts'
import { createMountSpec } from '../mount/mount-spec.ts'
import { findPlaces, type Places } from '../mount/places.ts'
import { requireBucketAnswers } from '../preflight/check-bucket.ts'
import { readFuseFacts } from '../preflight/fuse-facts.ts'
import { judgeFuse } from '../preflight/judge-fuse.ts'
import { requireStore } from './inputs.ts'

export interface LinkInputs {
  workspace: string
  folder: string
  user: string
  store: string
  driver: DriverName | 'auto'
  options: Record<string, OptionText>
}

type Question = Pick<StepContext<LinkInputs>, 'inputs' | 'env' | 'workingDirectory'>

interface LinkPlan {
  layout: Layout
  places: Places
  spec: MountSpec
  choice: DriverChoice
  notes: string[]
}

/** Everything that can be known of a link without contacting or changing anything. */
export function readLink({ inputs, env, workingDirectory }: Question): LinkPlan {
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
  const spec = createMountSpec({ store, env, driver: choice.driver, options, places })
  return { layout, places, spec, choice, notes }
}

export async function planLink(context: Question): Promise<PlannedAction> {
  const { layout, places, spec, choice } = readLink(context)
  const found = await inspectFolder(layout.path, places)
  const what = `link \`${layout.path}\` to \`${layout.subfolder}\` in \`${spec.bucket}\` with ${choice.driver}`
  return { action: 'run', summary: what, facts: { driver: choice.driver, folder: found } }
}

export async function linkFolder({
  inputs,
  env,
  workingDirectory,
  log,
  signal,
  willUndo,
}: StepContext<LinkInputs>) {
  const { layout, places, spec, choice, notes } = readLink({ inputs, env, workingDirectory })
  const { path } = layout
  for (const note of notes) log(note)
  if (choice.why !== undefined) log.warn(`${choice.why}; the folder is watched instead`)
  if (await repairLink(path))
    log(`\`${path}\` led nowhere; it leads to the disk until the bucket is there`)
  const found = await inspectFolder(path, places)
  if (choice.driver === 'watch') {
    throw new BerthError(
      's3-link/no-driver',
      `could not link \`${path}\`: ${choice.why ?? 'watching is not there yet'}`,
      {
        hint: 'use a container that may mount',
      },
    )
  }
  if (found === 'filled') {
    throw new BerthError('s3-link/filled', `could not link \`${path}\`: there are files in it`, {
      hint: 'move its files into the bucket first',
    })
  }
  await requireBucketAnswers(spec, signal)
  await willUndo({ key: spec.key, path })
  signal.throwIfAborted()
  const mounted = await ensureMount({ driver: choice.driver, spec, places, signal })
  signal.throwIfAborted()
  const linked = await putFolderLink({ layout, user: inputs.user, spec, places })
  const facts = { path, driver: choice.driver, bucket: spec.bucket, mount: spec.mountPoint }
  return mounted === 'running' && linked === 'unchanged'
    ? unchanged('it is linked', facts)
    : done(facts)
}
