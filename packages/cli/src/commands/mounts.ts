import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { type LinkAnswer, withLinks } from '../link-session.ts'

export const mounts = defineCommand({
  usage: 'mounts [BUCKET] [--log] [--json]',
  description:
    'Says how every link into a bucket is, and whether the pod may be stopped; with BUCKET of that bucket alone.',
  positionals: [0, 1],
  options: {
    wait: {
      type: 'string',
      value: 'TIME',
      describe: 'wait until all is in the bucket, so long at most; 3 when it is not',
    },
    log: { type: 'boolean', describe: 'also print the last lines that the daemons said' },
    json: { type: 'boolean', describe: 'print it as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'list the mounts', json: values.json }, async ({ env, signal }) => {
      const { wait } = values
      const [bucket] = positionals
      if (bucket !== undefined) await requireLinked(env, bucket)
      const isSafe = wait === undefined || (await waitUntilSafe(env, bucket, { wait, signal }))
      const answer = await describeMounts(env, bucket, values.log)
      return isSafe ? answer : { ...answer, exitCode: exitCodes.degraded }
    }),
})

const lookEveryMs = 250
/** Mounts are looked at every second: only a later status knows what was written just now. */
const freshAfterMs = 1_100

/** Of a name that was mistyped nothing waits: `berth mounts NAME --wait 2m && poweroff` must not go on. */
async function requireLinked(env: Record<string, string>, bucket: string): Promise<void> {
  const { findPlaces, isSameBucket, readStatuses } = await import('@berth/s3-link/links')
  const stores = (await readStatuses(findPlaces(env))).map(({ store }) => store)
  if (stores.some((store) => isSameBucket(store, bucket))) return
  const names = new Set(stores.map((store) => `\`${store.split('?')[0]}\``))
  throw new BerthError('cli/usage', `\`${bucket}\` is neither mounted nor watched`, {
    hint: names.size === 0 ? 'nothing is linked now' : `linked are ${[...names].join(', ')}`,
  })
}

async function waitUntilSafe(
  env: Record<string, string>,
  bucket: string | undefined,
  { wait, signal }: { wait: string; signal: AbortSignal },
): Promise<boolean> {
  const [{ parseDuration }, { findPlaces, isSameBucket, readStatuses, reviveKeepers }] =
    await Promise.all([import('@berth/core/duration'), import('@berth/s3-link/links')])
  const fresh = Date.now() + freshAfterMs
  const end = performance.now() + parseDuration(wait)
  const places = findPlaces(env)
  await reviveKeepers(places)
  for (;;) {
    const statuses = (await readStatuses(places)).filter(
      ({ store }) => bucket === undefined || isSameBucket(store, bucket),
    )
    if (statuses.every(({ safeToStop, updatedAt }) => safeToStop.safe && updatedAt > fresh))
      return true
    if (performance.now() > end) return false
    await sleep(lookEveryMs, undefined, { signal })
  }
}

/** Every mount, or those of one bucket; degraded when one of them is red. */
export async function describeMounts(
  env: Record<string, string>,
  bucket: string | undefined,
  withLog: boolean,
): Promise<LinkAnswer> {
  const { findPlaces, isSameBucket, readLogs, readStatuses, reviveKeepers, statusLines } =
    await import('@berth/s3-link/links')
  const places = findPlaces(env)
  await reviveKeepers(places)
  const all = await readStatuses(places)
  const shown = all.filter((status) => bucket === undefined || isSameBucket(status.store, bucket))
  const logs = withLog ? await readLogs(places, 50) : {}
  const lines = shown.flatMap((status) => [
    ...statusLines(status),
    ...(logs[status.key] ?? []).map((line) => `    ${line}`),
  ])
  return {
    data: shown.map((status) => (withLog ? { ...status, log: logs[status.key] ?? [] } : status)),
    text: lines.length === 0 ? noneShown(bucket) : lines.join('\n'),
    exitCode: shown.some(({ colour }) => colour === 'red') ? exitCodes.degraded : exitCodes.right,
  }
}

function noneShown(bucket: string | undefined): string {
  return bucket === undefined
    ? 'nothing is mounted or watched now; what waits for the next link is not counted'
    : `neither mounted nor watched: ${bucket}`
}
