import type { VerifyResult } from '@berth/archive'
import { archiveOptions, requireName, withArchive } from '../archive-session.ts'
import { missingArchive } from '../missing-archive.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { counted } from '../reporters/counted.ts'
import { formatBytes } from '../reporters/format.ts'

export const archiveVerify = defineCommand({
  usage: 'archive verify --store URL --name NAME',
  description:
    'Fetches and decodes everything that the snapshots of an archive need; changes nothing.',
  positionals: [0, 0],
  options: {
    ...archiveOptions,
    at: { type: 'string', value: 'SNAPSHOT', describe: 'only this snapshot; default: all of them' },
  },
  run: ({ values }) =>
    withArchive(
      { verb: 'verify', name: requireName(values.name), store: values.store, json: values.json },
      async (options) => {
        const { verifyArchive } = await import('@berth/archive')
        const data = await verifyArchive({ ...options, snapshot: values.at })
        if (data.snapshots === 0) {
          throw await missingArchive(options.store, options.name, options.signal)
        }
        const exitCode = data.problems.length === 0 ? exitCodes.right : exitCodes.failed
        return { data, text: verdict(options.name, data), exitCode }
      },
    ),
})

function verdict(name: string, { snapshots, chunks, storedBytes, problems }: VerifyResult): string {
  const amount = `${counted(snapshots, 'snapshot')}, ${counted(chunks, 'chunk')}, ${formatBytes(storedBytes)}`
  const lines = problems.map(
    ({ key, code, message, snapshots: needing }) =>
      `✖ ${key}: ${message}  ${code}\n  needed by ${needing.join(', ')}`,
  )
  const summary = problems.length === 0 ? `✔ \`${name}\` is whole` : `✖ \`${name}\` is damaged`
  return [...lines, `${summary}: ${amount}`].join('\n')
}
