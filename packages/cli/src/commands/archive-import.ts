import { statSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { BerthError } from '@berth/core/error'
import { openStore } from '@berth/object-store'
import { archiveOptions, requireName, resultText, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'

export const archiveImport = defineCommand({
  usage: 'archive import SOURCE --store URL --name NAME',
  description:
    'Saves what another program archived as a new archive: a .tar, .tar.gz, .tar.zst or .zip, or a folder of `venv_chunk_…` files. SOURCE is a path or a store URL; it stays as it is.',
  positionals: [1, 1],
  options: {
    ...archiveOptions,
    strip: {
      type: 'string',
      value: 'N',
      describe: 'leave away so many components at the front of each path; default: 0',
    },
    'keep-links': {
      type: 'boolean',
      describe: 'keep links that lead out of the tree, instead of refusing them',
    },
    staging: {
      type: 'string',
      value: 'DIRECTORY',
      describe: 'where it is unpacked first; default: the temporary directory',
    },
  },
  run: ({ positionals, values }) => {
    const strip = values.strip ?? '0'
    if (!/^\d{1,2}$/.test(strip)) {
      throw new BerthError('cli/usage', `\`--strip ${strip}\` is no count`, {
        hint: 'give a whole number: `--strip 1`',
      })
    }
    const { url, key } = sourceOf(positionals[0] ?? '')
    const name = requireName(values.name)
    return withArchive(
      { verb: 'import', name, store: values.store, json: values.json },
      async (options) => {
        const { importArchive } = await import('@berth/archive')
        const source = await openStore(url, { env: process.env, signal: options.signal })
        try {
          const data = await importArchive({
            ...options,
            source,
            key,
            strip: Number(strip),
            keepLinks: values['keep-links'],
            staging: values.staging === undefined ? undefined : resolve(values.staging),
          })
          return { data, text: resultText(data), exitCode: exitCodes.right }
        } finally {
          await source.close()
        }
      },
    )
  },
})

const ARCHIVE_FILE = /\.(tar|tgz|tzst|zip|tar\.\w+)$/

/** The store that holds the source, and its key where it is one object. */
function sourceOf(text: string): { url: string; key: string | undefined } {
  const [, place = '', query = ''] = /^(\w+:\/\/[^?]*)(\?.*)?$/.exec(text) ?? []
  if (place !== '') {
    if (!ARCHIVE_FILE.test(place)) return { url: text, key: undefined }
    return { url: dirname(place) + query, key: basename(place) }
  }
  const path = resolve(text)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new BerthError('cli/usage', `there is no \`${text}\` to import`, {
      hint: 'name a file, a folder or a store URL',
    })
  }
  const toUrl = (directory: string): string =>
    `file://${directory.split('/').map(encodeURIComponent).join('/')}`
  return stats.isDirectory()
    ? { url: toUrl(path), key: undefined }
    : { url: toUrl(dirname(path)), key: basename(path) }
}
