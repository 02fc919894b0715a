import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'

export const unmountBucket = defineCommand({
  usage: 'unmount-bucket [BUCKET] [--all]',
  description:
    'Sends what is not in BUCKET yet, unmounts it and removes its links; never while something would be lost.',
  positionals: [0, 1],
  options: {
    all: { type: 'boolean', describe: 'every bucket that this user has mounted' },
    'keep-links': {
      type: 'boolean',
      describe: 'let the links lead to this disk, until it is mounted again',
    },
    within: {
      type: 'string',
      value: 'TIME',
      describe: 'how long to wait until all is sent; default: 2m',
    },
    quiet: { type: 'boolean', describe: 'say only what is wrong' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals: [bucket], values }) =>
    withLinks({ verb: 'unmount', json: values.json, quiet: values.quiet }, async ({ env, log }) => {
      if ((bucket === undefined) !== values.all) {
        throw new BerthError('cli/usage', '`berth unmount-bucket` takes a bucket or `--all`', {
          hint: 'see what is mounted with `berth mounts`',
        })
      }
      const [{ parseDuration }, { unmountBucket: unmount }] = await Promise.all([
        import('@berth/core'),
        import('@berth/s3-link/links'),
      ])
      const deadline = Date.now() + parseDuration(values.within ?? '2m')
      const answers = await unmount({ bucket, keepLinks: values['keep-links'], env, deadline })
      if (answers.length === 0)
        log(bucket === undefined ? 'nothing is mounted' : `not mounted: ${bucket}`)
      const lines = answers.map(({ mountPoint, isStopped, pending, holders }) => {
        if (isStopped) return `unmounted ${mountPoint}`
        const held = holders.length === 0 ? '' : `; open in ${holders.slice(0, 5).join(', ')}`
        return `still mounted: ${mountPoint}; not sent: ${pending.files} files, ${pending.bytes} bytes${held}`
      })
      const isDone = answers.every(({ isStopped }) => isStopped)
      if (!isDone) for (const line of lines) log.warn(line)
      return {
        data: answers,
        text: isDone ? lines.join('\n') : '',
        exitCode: isDone ? exitCodes.right : exitCodes.failed,
      }
    }),
})
