import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { type LinkAnswer, withLinks } from '../link-session.ts'

export const mounts = defineCommand({
  usage: 'mounts [BUCKET] [--log] [--json]',
  description:
    'Says how every link into a bucket is, and whether the pod may be stopped; with BUCKET of that bucket alone.',
  positionals: [0, 1],
  options: {
    log: { type: 'boolean', describe: 'also print the last lines that the daemons said' },
    json: { type: 'boolean', describe: 'print it as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'list the mounts', json: values.json }, ({ env }) =>
      describeMounts(env, positionals[0], values.log),
    ),
})

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
    text: lines.length === 0 ? 'nothing is mounted' : lines.join('\n'),
    exitCode: shown.some(({ colour }) => colour === 'red') ? exitCodes.degraded : exitCodes.right,
  }
}
