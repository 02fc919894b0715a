import type { EndedLink } from '@berth/s3-link/links'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'
import { workspaceOf } from '../workspace.ts'

export const unlink = defineCommand({
  usage: 'unlink [WORKSPACE] [--user NAME]',
  description:
    'Makes a linked folder of WORKSPACE one on this disk again; its files stay in the bucket. WORKSPACE: default NETWORK_VOLUME, then /workspace.',
  positionals: [0, 1],
  options: {
    folder: { type: 'string', value: 'FOLDER', describe: 'the folder; default: output' },
    user: { type: 'string', value: 'NAME', describe: 'the user whose folder it is' },
    within: {
      type: 'string',
      value: 'TIME',
      describe: 'how long to wait until all is sent; default: 2m',
    },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'unlink', json: values.json }, async (session) => {
      const { endLink } = await import('@berth/s3-link/links')
      const ended = await endLink({
        ...session,
        inputs: {
          workspace: workspaceOf(positionals[0], session),
          folder: values.folder ?? 'output',
          user: values.user ?? '',
          within: values.within ?? '2m',
        },
      })
      return { data: ended, text: textOf(ended), exitCode: exitCodes.right }
    }),
})

function textOf({ result, path, bucketPaths, originals }: EndedLink): string {
  const kept = originals.length === 0 ? '' : `; what was there before is in ${originals.join(', ')}`
  if (result === 'unchanged') return `not linked: ${path}${kept}`
  const where = bucketPaths.length === 0 ? '' : `; its files are in ${bucketPaths.join(', ')}`
  return `done: ${path} is a plain folder${where}${kept}`
}
