import { basename, resolve } from 'node:path'
import type { RestoreOptions } from '@berth/archive'
import { startThreads } from '@berth/archive/threads'
import { BerthError } from '@berth/core/error'
import {
  type ArchiveAnswer,
  type ArchiveRequest,
  archiveOptions,
  requireName,
  resultText,
  withArchive,
} from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { missingArchive } from '../missing-archive.ts'

const choices = ['aside', 'keep', 'fail'] as const

export const archiveRestore = defineCommand({
  usage: 'archive restore [PATH] --store URL --name NAME',
  description:
    'Puts a snapshot’s tree in place of PATH: absent or old until it is whole. With --only, puts single files or directories of it into a new directory.',
  positionals: [0, 1],
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
    only: {
      type: 'string',
      value: 'PATH',
      multiple: true,
      describe: 'only this file or directory of the tree; fetches what that needs',
    },
    to: {
      type: 'string',
      value: 'DIRECTORY',
      describe: 'with --only: the new directory; default: PATH, else a name of the snapshot’s',
    },
  },
  run: ({ positionals, values }) => {
    const [path] = positionals
    const name = requireName(values.name)
    const request = { verb: 'restore', name, store: values.store, json: values.json }
    if (values.only.length > 0) {
      if (values.existing !== undefined || (path !== undefined && values.to !== undefined))
        throw usage('`--only` makes a new directory', 'give it once, as PATH or with `--to`')
      return withArchive(request, async (options) => {
        const { extractPaths } = await import('@berth/archive')
        const directory = resolve(values.to ?? path ?? defaultDirectory(name, values.at))
        const data = await extractPaths({
          ...options,
          directory,
          paths: values.only,
          at: values.at,
        })
        return answer(options, { ...data, directory })
      })
    }
    if (path === undefined) throw usage('PATH is missing', 'name the directory to restore')
    if (values.to !== undefined) throw usage('`--to` is for `--only`', 'give the directory as PATH')
    const existing = choices.find((choice) => choice === (values.existing ?? 'aside'))
    if (existing === undefined)
      throw usage(
        `\`--existing ${values.existing}\` is unknown`,
        'use one of `aside`, `keep`, `fail`',
      )
    return restore(request, { directory: resolve(path), existing, at: values.at })
  },
})

/** The threads start while the store is opened. */
async function restore(request: ArchiveRequest, wanted: Wanted): Promise<number> {
  await using threads = startThreads('restore')
  return await withArchive(request, async (options) => {
    const { restoreTree } = await import('@berth/archive')
    return answer(options, await restoreTree({ ...options, ...wanted, threads }))
  })
}

type Wanted = Pick<RestoreOptions, 'directory' | 'existing' | 'at'>

function defaultDirectory(name: string, at: string | undefined): string {
  return [basename(name), at ?? 'newest'].join('-')
}

function usage(message: string, hint: string): BerthError {
  return new BerthError('cli/usage', message, { hint })
}

type Request = Parameters<Parameters<typeof withArchive>[1]>[0]

async function answer(
  options: Request,
  data: { result: string; directory?: string },
): Promise<ArchiveAnswer> {
  if (data.result === 'absent')
    throw await missingArchive(options.store, options.name, options.signal)
  return { data, text: resultText(data), exitCode: exitCodes.right }
}
