import {
  BerthError,
  done,
  isBerthError,
  type PlannedAction,
  type StepContext,
  unchanged,
} from '@berth/core'
import { ensureMount } from '../mount/ensure-mount.ts'
import {
  type FoundFolder,
  inspectFolder,
  putFolderLink,
  repairLink,
  requireKnownBucket,
} from '../mount/link-folder.ts'
import type { MigrationPlan } from '../migrate/plan-migration.ts'
import { moveFiles, planMove, wasMoving } from '../mount/move-files.ts'
import { explainKeysOnDisk } from '../mount/places.ts'
import { openRegistry } from '../mount/registry.ts'
import { watchFolder } from '../mount/watch-folder.ts'
import { requireBucketAnswers } from '../preflight/check-bucket.ts'
import { amountText } from './amounts.ts'
import { type LinkInputs, type LinkQuestion, readLink, type ReadLink } from './read-link.ts'
import { tellMove } from './tell-move.ts'

/** What linking needs of a step's context. */
export type LinkContext = LinkQuestion &
  Pick<StepContext<LinkInputs>, 'log' | 'signal' | 'willUndo'>

export async function planLink(question: LinkQuestion): Promise<PlannedAction> {
  const { layout, places, spec, choice } = await readLink(question, { tries: false })
  const found = await inspectFolder(layout.path, places, choice.driver === 'watch')
  const verb = choice.driver === 'watch' ? 'watches' : 'links'
  const move = verb === 'links' && found === 'filled' ? await planMove(layout, {}) : undefined
  const first = move === undefined ? '' : `${summaryOf(move)} and `
  return {
    action: 'run',
    summary: `${first}${verb} \`${layout.path}\` with ${choice.driver}: \`${layout.subfolder}\` in \`${spec.bucket}\``,
    facts: {
      driver: choice.driver,
      folder: found,
      ...(move && { files: move.files, bytes: move.bytes, toSend: move.news }),
    },
  }
}

function summaryOf(plan: MigrationPlan): string {
  const { files, news, newBytes, leftOut, refused } = plan
  const known =
    news === files
      ? ''
      : news === 0
        ? ' (all sent before)'
        : ` (not sent before: ${amountText({ files: news, bytes: newBytes })})`
  const aside =
    leftOut.length === 0 ? '' : `, leaves ${leftOut.length} links or special files aside`
  const wrong = refused.length === 0 ? '' : `, but can’t read ${refused.length}`
  return `moves ${amountText(plan)}, into the bucket${known}${aside}${wrong}`
}

/** Makes a folder lie in a bucket. With `auto`, what turns out not to be mountable here is watched. */
export async function linkFolder(context: LinkContext) {
  const { inputs } = context
  const link = await readLink(context, { tries: true })
  try {
    return await makeLink(link, context)
  } catch (error) {
    if (inputs.driver !== 'auto' || link.choice.driver === 'watch' || !isOfMachine(error))
      throw error
    const watching = { ...context, inputs: { ...inputs, driver: 'watch' as const } }
    const watched = await readLink(watching, { tries: false })
    return makeLink({ ...watched, notes: [], choice: { driver: 'watch', why: error } }, watching)
  }
}

/** What a daemon met that has nothing to do with the bucket or its keys. */
function isOfMachine(error: unknown): error is BerthError {
  if (!isBerthError(error)) return false
  return /^s3-link\/(?:fuse-.*|no-driver|old-driver)$/.test(error.code)
}

async function makeLink(link: ReadLink, context: LinkContext) {
  const { inputs, log, signal, willUndo } = context
  const { layout, places, spec, choice, notes } = link
  const { path } = layout
  for (const note of notes) log(note)
  if (choice.why !== undefined) {
    log.warn(`${choice.why.message}; the folder is watched instead`)
    if (choice.why.hint !== undefined) log(`to have it mounted: ${choice.why.hint}`)
  }
  const exposed = explainKeysOnDisk(places)
  if (exposed !== undefined) log.warn(`${exposed.message}; ${exposed.hint}`)
  // Before anything can fail: an app that finds a link to nowhere breaks.
  if (await repairLink(path)) {
    log(`\`${path}\` led nowhere; it leads to this disk until the bucket is there`)
  }
  const found = await inspectFolder(path, places, choice.driver === 'watch')
  if (found === 'filled' && inputs.existing === 'fail' && choice.driver !== 'watch') {
    throw new BerthError('s3-link/filled', `could not link \`${path}\`: there are files in it`, {
      hint: 'leave out `--keep` (in a recipe: `existing: move`), or empty it',
    })
  }
  await requireBucketAnswers(spec, signal)
  await willUndo({ key: spec.key, path })
  signal.throwIfAborted()
  const facts = { path, driver: choice.driver, bucket: spec.bucket, mount: spec.mountPoint }
  const result =
    choice.driver === 'watch'
      ? await watchFolder({ layout, user: inputs.user, spec, places, found, signal })
      : await mountFolder(link, found, context)
  return result === 'unchanged' ? unchanged('it is linked', facts) : done(facts)
}

async function mountFolder(
  { layout, places, spec, choice }: ReadLink,
  found: FoundFolder,
  { inputs, log, signal }: LinkContext,
): Promise<'done' | 'unchanged'> {
  const mounted = await ensureMount({ driver: choice.driver, spec, places, signal })
  signal.throwIfAborted()
  // Before anything is sent.
  await requireKnownBucket(layout.path, openRegistry(places, spec.key))
  let freed = 0
  if (found === 'filled' || wasMoving(layout.path)) {
    const { removeOriginals = false } = inputs
    const report = await moveFiles(layout, spec, { signal, removeOriginals })
    tellMove(report, spec.bucket, log)
    freed = report.removed?.files ?? 0
  }
  const linked = await putFolderLink({ layout, user: inputs.user, spec, places })
  const isSame = mounted === 'running' && linked === 'unchanged' && freed === 0
  return isSame ? 'unchanged' : 'done'
}
