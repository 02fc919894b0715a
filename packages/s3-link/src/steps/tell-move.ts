import type { StepContext } from '@berth/core'
import type { MigrationReport } from '../migrate/migrate.ts'
import type { Removed } from '../migrate/remove-original.ts'
import { amountText } from './amounts.ts'

type Log = Pick<StepContext['log'], 'warn'> & ((text: string) => void)

const MAX_TOLD = 20

/** Says what a move into the bucket did, in the order in which it was done. */
export function tellMove(report: MigrationReport, bucket: string, log: Log): void {
  const { state, originals, leftOut, unsettled, removed } = report
  if (state === 'moved') log(describeSent(report, bucket))
  if (removed !== undefined) tellRemoved(removed, log)
  const what = removed === undefined ? 'what was there' : 'what is left of it'
  if (state === 'moved' || removed !== undefined)
    for (const original of originals) log(`${what} is kept in \`${original}\``)
  // Of what was to be removed each has been named already, with why it stays.
  if (leftOut.length > 0 && removed === undefined)
    log.warn(`stayed behind in the original: ${describeLeft(leftOut)}`)
  if (unsettled.length > 0) log.warn(`${unsettled.length} files are not in S3 yet; link again`)
}

/** What was sent now, and apart from it what a run before had sent. */
function describeSent({ files, bytes, news, sentBytes }: MigrationReport, bucket: string): string {
  // A file that changes meanwhile is sent more than once.
  const sent = Math.min(news, files)
  if (sent === files) return `moved ${amountText({ files, bytes })}, into \`${bucket}\``
  const before = files - sent
  const earlier = `${before} ${before === 1 ? 'was' : 'were'} sent before`
  if (sent === 0) return `moved no new files into \`${bucket}\`; ${earlier}`
  return `sent ${amountText({ files: sent, bytes: sentBytes })}, into \`${bucket}\`; ${earlier}`
}

function tellRemoved({ files, bytes, kept }: Removed, log: Log): void {
  log(`removed the originals of ${amountText({ files, bytes })}, which the bucket has`)
  for (const { path, why } of kept.slice(0, MAX_TOLD)) log.warn(`kept \`${path}\`: ${why}`)
  if (kept.length > MAX_TOLD) log.warn(`kept ${kept.length - MAX_TOLD} others`)
}

function describeLeft(left: MigrationReport['leftOut']): string {
  const names = left.slice(0, MAX_TOLD).map(({ path, why }) => `${path} (${why})`)
  const more = left.length - names.length
  return [...names, ...(more > 0 ? [`${more} others`] : [])].join(', ')
}
