import { resolve } from 'node:path'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'

export const doctor = defineCommand({
  usage: 'doctor [WORKSPACE] [--store URL]',
  description:
    'Says what this container can and can’t do about buckets, each with its cause and cure; contacts the bucket, and leaves nothing in it.',
  positionals: [0, 1],
  options: {
    store: {
      type: 'string',
      value: 'URL',
      describe: 's3://bucket/prefix; default: BERTH_STORE, then RunPod’s bucket',
    },
    folder: {
      type: 'string',
      value: 'FOLDER',
      describe: 'the folder of WORKSPACE (/workspace) to be linked; default: output',
    },
    user: { type: 'string', value: 'NAME', describe: 'the user whose folder it is' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'check', json: values.json }, async (session) => {
      const { checkLines, readReport } = await import('@berth/s3-link/links')
      const { error: _, ...report } = await readReport({
        workspace: resolve(session.workingDirectory, positionals[0] ?? '/workspace'),
        folder: values.folder ?? 'output',
        user: values.user ?? '',
        store: values.store ?? '',
        env: session.env,
        signal: session.signal,
      })
      const isRight = report.checks.every(({ result }) => result !== 'failed')
      const how = report.driver === 'watch' ? 'watched' : `mounted with ${report.driver}`
      const verdict = isRight
        ? `a folder can be linked, and would be ${how}`
        : 'a folder can’t be linked yet'
      return {
        data: { ok: isRight, ...report },
        text: [...report.checks.flatMap(checkLines), '', verdict].join('\n'),
        exitCode: isRight ? exitCodes.right : exitCodes.failed,
      }
    }),
})
