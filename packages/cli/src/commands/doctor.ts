import { defaultStoreUrl } from '@berth/object-store'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'

export const doctor = defineCommand({
  usage: 'doctor [--store URL]',
  description:
    'Says what this container can and can’t do about buckets, each with its cause and cure; contacts the bucket, and leaves nothing in it.',
  positionals: [0, 0],
  options: {
    store: {
      type: 'string',
      value: 'URL',
      describe: 's3://bucket/prefix; default: BERTH_STORE, then RunPod’s bucket',
    },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ values }) =>
    withLinks({ verb: 'check', json: values.json }, async (session) => {
      const { testLink } = await import('@berth/s3-link/links')
      const store = values.store ?? defaultStoreUrl(process.env) ?? ''
      const { facts } = await testLink({ ...session, inputs: { store } })
      const text = `the bucket \`${facts.bucket}\` can be used; ${facts.mounts ? 'it can be mounted here' : 'folders are watched here'}`
      return { data: facts, text, exitCode: exitCodes.right }
    }),
})
