import { resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { archiveOptions, requireName, resultText, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const archiveSave = defineCommand({
  usage: 'archive save PATH --store URL --name NAME',
  description: 'Saves a directory tree as a new snapshot; without a change nothing is written.',
  positionals: [1, 1],
  options: {
    ...archiveOptions,
    exclude: {
      type: 'string',
      value: 'PATTERN',
      multiple: true,
      describe: 'leave out what matches, relative to PATH',
    },
    'accept-vanished': {
      type: 'boolean',
      describe: 'save although more than half of the entries vanished',
    },
  },
  run: ({ positionals, values }) =>
    withArchive(
      { verb: 'save', name: requireName(values.name), store: values.store, json: values.json },
      async (options) => {
        const { saveTree } = await import('@berth/archive')
        const data = await saveTree({
          ...options,
          directory: resolve(positionals[0] ?? ''),
          exclude: values.exclude,
          acceptVanished: values['accept-vanished'],
        })
        if (data.result === 'skipped') throw nothingToSave(positionals[0] ?? '', data.reason)
        return { data, text: resultText(data), exitCode: exitCodes.right }
      },
    ),
})

function nothingToSave(path: string, why: string): BerthError {
  return new BerthError('cli/usage', `could not save \`${path}\`: ${why}`, {
    hint: 'name a directory that is there',
  })
}
