import { resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { archiveOptions, requireName, resultText, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

const choices = ['aside', 'keep', 'fail'] as const

export const archiveRestore = defineCommand({
  usage: 'archive restore PATH --store URL --name NAME',
  description: 'Puts a snapshot’s tree in place of PATH: absent or old until it is whole.',
  positionals: [1, 1],
  options: {
    ...archiveOptions,
    at: {
      type: 'string',
      value: 'SNAPSHOT',
      describe: 'a generation or snapshot; default: the newest that fits this machine',
    },
    existing: {
      type: 'string',
      value: 'WHAT',
      describe: 'a directory that is not Berth’s: aside (renamed, the default), keep or fail',
    },
  },
  run: ({ positionals, values }) => {
    const existing = choices.find((choice) => choice === (values.existing ?? 'aside'))
    if (existing === undefined) {
      throw new BerthError('cli/usage', `\`--existing ${values.existing}\` is unknown`, {
        hint: 'use one of `aside`, `keep`, `fail`',
      })
    }
    return withArchive(
      { verb: 'restore', name: requireName(values.name), store: values.store, json: values.json },
      async (options) => {
        const { restoreTree } = await import('@berth/archive')
        const directory = resolve(positionals[0] ?? '')
        const data = await restoreTree({ ...options, directory, existing, at: values.at })
        const exitCode = data.result === 'absent' ? exitCodes.failed : exitCodes.right
        return { data, text: resultText(data), exitCode }
      },
    )
  },
})
