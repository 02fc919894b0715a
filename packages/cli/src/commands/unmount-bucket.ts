import { BerthError } from '@berth/core/error'
import type { UnmountedBucket } from '@berth/s3-link/links'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'
import { counted } from '../reporters/counted.ts'
import { formatBytes } from '../reporters/format.ts'

export const unmountBucket = defineCommand({
  usage: 'unmount-bucket [BUCKET] [--all]',
  description:
    'Sends what is not in BUCKET yet, unmounts it and removes its links; never while something would be lost.',
  positionals: [0, 1],
  options: {
    all: { type: 'boolean', short: 'a', describe: 'every bucket that this user has mounted' },
    link: {
      type: 'string',
      value: 'PATH',
      multiple: true,
      describe: 'only this link; the bucket is unmounted with its last one',
    },
    root: {
      type: 'string',
      short: 'r',
      value: 'DIR',
      describe: 'only the link that `mount-bucket --root DIR` has made',
    },
    'keep-links': {
      type: 'boolean',
      describe: 'let the links lead to this disk, until it is mounted again',
    },
    within: {
      type: 'string',
      value: 'TIME',
      describe: 'how long to wait until all is sent; default: 2m',
    },
    quiet: { type: 'boolean', short: 'q', describe: 'say only what is wrong' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals: [bucket], values }) =>
    withLinks({ verb: 'unmount', json: values.json, quiet: values.quiet }, async ({ env, log }) => {
      const { all, link: links, root, within = '2m' } = values
      const picks = links.length > 0 || root !== undefined
      requireOne({ bucket, all, picks })
      const [{ parseDuration }, { unmountBucket: unmount }] = await Promise.all([
        import('@berth/core/duration'),
        import('@berth/s3-link/links'),
      ])
      const answers = await unmount({
        bucket,
        ...(links.length > 0 ? { links } : {}),
        root,
        keepLinks: values['keep-links'],
        env,
        deadline: Date.now() + parseDuration(within),
      })
      const watched = answers.length === 0 ? await watchedFolders(env, bucket) : []
      for (const { line } of watched) log.warn(line)
      if (answers.length === 0 && watched.length === 0)
        log(bucket === undefined ? 'nothing is mounted' : `not mounted: ${bucket}`)
      const said = answers.filter(isDone).flatMap(linesOf)
      for (const line of answers.filter((answer) => !isDone(answer)).flatMap(linesOf))
        log.warn(line)
      return {
        data: answers.map(({ error, ...answer }) => ({
          ...answer,
          ...(error && { code: error.code, message: error.message, hint: error.hint }),
        })),
        text: said.join('\n'),
        exitCode:
          answers.every(isDone) && watched.every(({ isSafe }) => isSafe)
            ? exitCodes.right
            : exitCodes.failed,
      }
    }),
})

function requireOne(asked: { bucket: string | undefined; all: boolean; picks: boolean }): void {
  const { bucket, all, picks } = asked
  // Links of their own can be named without the bucket that they lead to.
  if (all ? bucket === undefined && !picks : bucket !== undefined || picks) return
  throw new BerthError('cli/usage', '`berth unmount-bucket` takes a bucket, links or `--all`', {
    hint: 'see what is mounted with `berth mounts`',
  })
}

/** The folders that are watched for a bucket, which unmounting it does not end. */
async function watchedFolders(
  env: Record<string, string>,
  bucket: string | undefined,
): Promise<{ line: string; isSafe: boolean }[]> {
  if (bucket === undefined) return []
  const { findPlaces, isSameBucket, readStatuses } = await import('@berth/s3-link/links')
  const found = (await readStatuses(findPlaces(env))).filter(
    ({ driver, store }) => driver === 'watch' && isSameBucket(store, bucket),
  )
  return found.map(({ mountPoint, safeToStop: { safe: isSafe, files } }) => {
    const waits = isSafe ? 'all is sent' : `not safe to stop, ${counted(files, 'file')} not sent`
    const line = `not mounted, but watched: ${mountPoint} (${waits}); \`berth unlink\` ends it`
    return { line, isSafe }
  })
}

function isDone({ state, missing }: UnmountedBucket): boolean {
  return (state === 'unmounted' || state === 'in-use') && missing.length === 0
}

function linesOf(answer: UnmountedBucket): string[] {
  const { state, mountPoint, links, pending, holders, missing, error } = answer
  const removed = links.map((path) => `removed ${path}`)
  const notThere = missing.map((name) => `closed, and not in S3: ${name}`)
  if (state === 'unmounted') {
    const unmounted = mountPoint === '' ? [] : [`unmounted ${mountPoint}`]
    return [...removed, ...unmounted, ...notThere]
  }
  if (state === 'in-use')
    return [...removed, `${mountPoint} stays mounted for its other links`, ...notThere]
  if (error !== undefined) return [error.message, `  to fix: ${error.hint ?? 'unmount again'}`]
  const held = holders.length === 0 ? '' : `; open in ${holders.slice(0, 5).join(', ')}`
  return [
    `still mounted: ${mountPoint}; not sent: ${counted(pending.files, 'file')}, ${formatBytes(pending.bytes)}${held}`,
    '  to fix: unmount again, with more time: `--within 10m`',
  ]
}
