import { existsSync } from 'node:fs'
import { BerthError } from '@berth/core/error'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { mountOptions, requireDriver, withLinks } from '../link-session.ts'
import { workspaceOf } from '../workspace.ts'

export const link = defineCommand({
  usage: 'link [WORKSPACE] [--user NAME] [--store URL]',
  description:
    'Makes a folder of WORKSPACE lie in a bucket: mounted where that is possible, else watched. WORKSPACE: default NETWORK_VOLUME, then /workspace.',
  positionals: [0, 1],
  options: {
    folder: {
      type: 'string',
      value: 'FOLDER',
      describe: 'the folder, here and there; default: output',
    },
    user: { type: 'string', value: 'NAME', describe: 'makes it the folder of one user' },
    store: {
      type: 'string',
      value: 'URL',
      describe: 's3://bucket/prefix; default: BERTH_STORE, then RunPod’s bucket',
    },
    driver: { type: 'string', value: 'DRIVER', describe: 'auto, s3fs, rclone or watch' },
    option: {
      type: 'string',
      value: 'NAME=VALUE',
      multiple: true,
      describe: 'an option of the mount',
    },
    keep: {
      type: 'boolean',
      describe: 'fail where there are files in the folder, instead of moving them',
    },
    'remove-originals': {
      type: 'boolean',
      describe: 'free the disk of originals that the bucket is proven to have',
    },
    'dry-run': { type: 'boolean', describe: 'say what would be moved, and change nothing' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'link', json: values.json }, async (session) => {
      const workspace = workspaceOf(positionals[0], session)
      requireWorkspace(workspace)
      const { linkFolder, planFolder, planLines } = await import('@berth/s3-link/links')
      const inputs = {
        workspace,
        folder: values.folder ?? 'output',
        user: values.user ?? '',
        store: values.store ?? '',
        driver: requireDriver(values.driver),
        existing: values.keep ? ('fail' as const) : ('move' as const),
        removeOriginals: values['remove-originals'],
        options: mountOptions(values.option),
      }
      if (values['dry-run']) {
        const plan = await planFolder({ ...session, inputs })
        return { data: plan, text: planLines(plan).join('\n'), exitCode: exitCodes.right }
      }
      const { result, facts } = await linkFolder({ ...session, inputs })
      const text = `${result}: ${facts.path} lies in ${facts.bucket}, by ${facts.driver}`
      return { data: { result, ...facts }, text, exitCode: exitCodes.right }
    }),
})

/** The folder is made where there is none; with a workspace that was mistyped an app would never look there. */
function requireWorkspace(workspace: string): void {
  if (existsSync(workspace)) return
  throw new BerthError('cli/usage', `could not link in \`${workspace}\`: it does not exist`, {
    hint: 'make the directory first, or name the one that the app’s folder is in',
  })
}
