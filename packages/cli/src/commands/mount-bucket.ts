import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { mountOptions, requireDriver, withLinks } from '../link-session.ts'
import { describeMounts } from './mounts.ts'

export const mountBucket = defineCommand({
  usage: 'mount-bucket [BUCKET] [--root DIR]',
  description:
    'Mounts BUCKET (its name, or s3://bucket/prefix) once, and puts a link to it; again, it only adds the link.',
  positionals: [0, 1],
  options: {
    root: {
      type: 'string',
      short: 'r',
      value: 'DIR',
      describe: 'where the link goes; default: ~/s3_buckets, of a SLURM job a folder in it',
    },
    link: {
      type: 'string',
      value: 'PATH',
      multiple: true,
      describe: 'links with names of their own, in the place of that one',
    },
    remote: {
      type: 'string',
      value: 'NAME',
      describe: 'take endpoint and keys from this remote of rclone.conf',
    },
    driver: { type: 'string', value: 'DRIVER', describe: 'auto, s3fs or rclone' },
    option: {
      type: 'string',
      value: 'NAME=VALUE',
      multiple: true,
      describe: 'an option of the mount',
    },
    list: { type: 'boolean', short: 'l', describe: 'say what is mounted, and mount nothing' },
    status: { type: 'boolean', short: 's', describe: 'say how BUCKET is, and mount nothing' },
    quiet: { type: 'boolean', short: 'q', describe: 'say only what is wrong' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals: [bucket], values }) =>
    withLinks({ verb: 'mount', json: values.json, quiet: values.quiet }, async (session) => {
      const { env, signal, log } = session
      if (values.list) return describeMounts(env, undefined, false)
      if (bucket === undefined) {
        throw new BerthError('cli/usage', '`berth mount-bucket` needs a bucket', {
          hint: 'name one, or use `--list`',
        })
      }
      if (values.status) return describeMounts(env, bucket, false)
      const { mountBucket: mount } = await import('@berth/s3-link/links')
      const mounted = await mount({
        bucket,
        links: values.link,
        root: values.root,
        remote: values.remote,
        driver: requireDriver(values.driver),
        options: mountOptions(values.option),
        env,
        signal,
        onNote: (text) => log(text),
      })
      const text = mounted.links.map((path) => `${path} -> ${mounted.mountPoint}`).join('\n')
      return { data: mounted, text, exitCode: exitCodes.right }
    }),
})
