import type { StepContext } from '@berth/core'
import { inspectFolder } from '../mount/link-folder.ts'
import { planMove } from '../mount/move-files.ts'
import type { MigrationPlan } from '../migrate/plan-migration.ts'
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
  const { layout, places, spec, choice } = await readLink(question, { tries: false })
  const { path } = layout
  const { driver } = choice
  const found = await inspectFolder(path, places, driver === 'watch')
  const facts = { path, driver, bucket: spec.bucket }
  if (driver === 'watch' || found === 'absent' || found === 'empty')
    return { ...facts, move: undefined }
  return { ...facts, move: await planMove(layout, { spec, signal: question.signal }) }
}

/** The same in lines. */
export function planLines({ path, driver, bucket, move }: LinkPlan): string[] {
  const link = `would ${driver === 'watch' ? 'watch' : 'link'} ${path} with ${driver}, in ${bucket}`
  if (move === undefined) return [link]
  const { taken, leftOut, refused, openFiles, originals } = move
  return [
    `would move ${amountText(move)}; ${move.news} of them, ${sizeText(move.newBytes)}, not known to be in the bucket`,
    link,
    ...listed('the bucket has something under the name of', taken.map(describeTaken)),
    ...listed('would stay behind', leftOut.map(describe)),
    ...listed('would end it before anything is changed', refused.map(describe)),
    ...listed('a program writes to', openFiles),
    ...listed('moved aside before', originals),
  ]
}

function listed(title: string, lines: readonly string[]): string[] {
  const more = lines.length - MAX_SHOWN
  return [
    ...lines.slice(0, MAX_SHOWN).map((line) => `  ${title}: ${line}`),
    ...(more > 0 ? [`  ${title}: ${more} others`] : []),
  ]
}

function describe({ path, why }: { path: string; why: string }): string {
  return `${path}, ${why}`
}

function describeTaken({ path, size, sizeInBucket }: MigrationPlan['taken'][number]): string {
  return size === sizeInBucket
    ? `${path}, of the same size: what is the same is not sent`
    : `${path}, of another size: both are kept`
}
