import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { withLinks } from '../link-session.ts'
import { stateDirectoryOption } from '../state-directory-option.ts'
import { workspaceOf } from '../workspace.ts'

export const doctor = defineCommand({
  usage: 'doctor [WORKSPACE] [--store URL]',
  description:
    'Says what this container can and can’t do, each with its cause and cure: the machine, and what a bucket needs. Contacts the bucket, where one is known, and leaves nothing in it. WORKSPACE: default NETWORK_VOLUME, then /workspace.',
  positionals: [0, 1],
  options: {
    store: {
      type: 'string',
      value: 'URL',
      describe: 's3://bucket/prefix or file:///path; default: BERTH_STORE, then RunPod’s bucket',
    },
    folder: {
      type: 'string',
      value: 'FOLDER',
      describe: 'the folder of WORKSPACE to be linked; default: output',
    },
    'state-dir': stateDirectoryOption,
    user: { type: 'string', value: 'NAME', describe: 'the user whose folder it is' },
    json: { type: 'boolean', describe: 'print the result as JSON' },
  },
  run: ({ positionals, values }) =>
    withLinks({ verb: 'check', json: values.json }, async (session) => {
      const { env, signal } = session
      const workspace = workspaceOf(positionals[0], session)
      const { checkMachine } = await import('../doctor/machine-checks.ts')
      const stateDirectory = values['state-dir']
      const asked = await checkMachine({ env, workspace, stateDirectory })
      const { store, folder, user } = values
      const isMeant = [positionals[0], store, folder, user].some((given) => given !== undefined)
      const { defaultStoreUrl, parseStoreUrl } = await import('@berth/object-store')
      const url = store ?? defaultStoreUrl(env)
      const isDirectory = url?.startsWith('file:') === true
      const location = url !== undefined && isDirectory ? parseStoreUrl(url) : undefined
      const { storeCheck } = await import('../doctor/room-checks.ts')
      const own =
        location !== undefined && 'path' in location
          ? [await storeCheck(url ?? '', location.path)]
          : []
      const machine = [...asked, ...own]
      const asksBucket = !isDirectory && (isMeant || url?.startsWith('s3:') === true)
      const { checkLines, readReport } = await import('@berth/s3-link/links')
      const question = {
        workspace,
        folder: folder ?? 'output',
        user: user ?? '',
        store: store ?? '',
      }
      const bucket = asksBucket ? await readReport({ ...question, env, signal }) : undefined
      const checks = [...machine, ...(bucket?.checks ?? [])]
      const isRight = checks.every(({ result }) => result !== 'failed')
      const { error: _, ...report } = bucket ?? { checks: [], bucket: null, driver: null }
      return {
        data: { ok: isRight, machine, ...report },
        text: [
          ...machine.flatMap(checkLines),
          ...(bucket === undefined ? [] : ['', ...bucket.checks.flatMap(checkLines)]),
          '',
          verdict(bucket),
        ].join('\n'),
        exitCode: isRight ? exitCodes.right : exitCodes.failed,
      }
    }),
})

function verdict(bucket: { checks: { result: string }[]; driver: string } | undefined): string {
  if (bucket === undefined)
    return 'no bucket was named: `--store s3://…` asks about one; a store in a directory works too (`--store file:///…`)'
  const isRight = bucket.checks.every(({ result }) => result !== 'failed')
  const how = bucket.driver === 'watch' ? 'watched' : `mounted with ${bucket.driver}`
  return isRight ? `a folder can be linked, and would be ${how}` : 'a folder can’t be linked yet'
}
