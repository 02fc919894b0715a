import type { StepContext } from '@berth/core'
import { inspectFolder } from '../mount/link-folder.ts'
import { planMove, wasMoving } from '../mount/move-files.ts'
import type { MigrationPlan } from '../migrate/plan-migration.ts'
import { requireBucketAnswers } from '../preflight/check-bucket.ts'
import { amountText, sizeText } from './amounts.ts'
import { type LinkInputs, type LinkQuestion, readLink } from './read-link.ts'

/** What linking a folder would do. */
export interface LinkPlan {
  path: string
  driver: string
  bucket: string
  /** Of the files that would be moved; undefined where nothing has to be. */
  move: MigrationPlan | undefined
}

const MAX_SHOWN = 20

/** Looks at the folder, and at the names that its files would have in the bucket. Changes nothing. */
export async function planFolder(
  question: LinkQuestion & Pick<StepContext<LinkInputs>, 'signal'>,
): Promise<LinkPlan> {
  const { inputs, signal } = question
  const { layout, places, spec, choice } = await readLink(question, { tries: false })
  const { path } = layout
  const { driver } = choice
  const found = await inspectFolder(path, places, driver === 'watch')
  const facts = { path, driver, bucket: spec.bucket }
  const hasFiles = found === 'filled' || found === 'ours' || wasMoving(path)
  if (driver === 'watch' || !hasFiles) return { ...facts, move: undefined }
  // Of wrong keys a look at an object would only say that this one can't be seen.
  await requireBucketAnswers(spec, signal)
  const { removeOriginals = false } = inputs
  return { ...facts, move: await planMove(layout, { spec, signal, removeOriginals }) }
}

/** The same in lines. */
export function planLines({ path, driver, bucket, move }: LinkPlan): string[] {
  const link = `would ${driver === 'watch' ? 'watch' : 'link'} ${path} with ${driver}, in ${bucket}`
  if (move === undefined) return [link]
  const { taken, leftOut, refused, openFiles, originals } = move
  const replaced = taken.filter(replacesOwn)
  const others = taken.filter((one) => !replacesOwn(one))
  return [
    `would move ${amountText(move)}; ${move.news} of them, ${sizeText(move.newBytes)}, not known to be in the bucket`,
    link,
    ...listed('the bucket has something under the name of', others.map(describeTaken)),
    ...bounded(
      replaced.map(({ path: name }) => `  ${name}: replaces what this folder sent before`),
      (more) => `  ${more} others: replace what this folder sent before`,
    ),
    ...listed('would stay behind', leftOut.map(describe)),
    ...listed('would end it before anything is changed', refused.map(describe)),
    ...listed('a program writes to', openFiles),
    ...listed('moved aside before', originals),
    ...removalLines(move.removal),
  ]
}

function removalLines(removal: MigrationPlan['removal']): string[] {
  if (removal === undefined) return []
  return [
    `would then remove the originals of ${amountText(removal)}, which the bucket has`,
    ...listed('would keep', removal.kept.map(describe)),
  ]
}

function replacesOwn({ isOwn, size, sizeInBucket }: MigrationPlan['taken'][number]): boolean {
  return isOwn && size !== sizeInBucket
}

function listed(title: string, lines: readonly string[]): string[] {
  return bounded(
    lines.map((line) => `  ${title}: ${line}`),
    (more) => `  ${title}: ${more} others`,
  )
}

function bounded(lines: readonly string[], describeRest: (count: number) => string): string[] {
  const more = lines.length - MAX_SHOWN
  return [...lines.slice(0, MAX_SHOWN), ...(more > 0 ? [describeRest(more)] : [])]
}

function describe({ path, why }: { path: string; why: string }): string {
  return `${path}, ${why}`
}

function describeTaken({
  path,
  size,
  sizeInBucket,
  isOwn,
}: MigrationPlan['taken'][number]): string {
  if (isOwn) return `${path}, sent by this folder before: replaced where it has changed`
  return size === sizeInBucket
    ? `${path}, of the same size: what is the same is not sent`
    : `${path}, of another size: both are kept`
}
