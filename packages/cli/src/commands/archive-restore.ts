import { basename, resolve } from 'node:path'
import type { RestoreOptions, RestoreResult } from '@berth/archive'
import { startThreads } from '@berth/archive/threads'
import { BerthError, isBerthError } from '@berth/core/error'
import {
  type ArchiveAnswer,
  type ArchiveRequest,
  archiveOptions,
  requireName,
  resultText,
  withArchive,
} from '../archive-session.ts'
import { currentDirectory, isReplaced } from '../current-directory.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { missingArchive } from '../missing-archive.ts'

const choices = ['aside', 'keep', 'fail'] as const

export const archiveRestore = defineCommand({
  usage: 'archive restore [PATH] --store URL --name NAME',
  description:
    'Puts a snapshot’s tree in place of PATH: absent or old until it is whole. A tree that Berth restored or saved there stays, also where the store has a newer one: --at SNAPSHOT replaces it, and what was there is set aside. With --only, puts single files or directories of it into a new directory.',
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
      describe: 'with --only: the new directory; default: PATH, else such as ./venv-00000002',
    },
  },
  run: ({ positionals, values }) => {
    const [path] = positionals
    const name = requireName(values.name)
    const request = { verb: 'restore', name, store: values.store, json: values.json }
    if (values.only.length > 0) {
      if (values.existing !== undefined)
        throw usage(
          '`--existing` is for a whole tree, not `--only`',
          'name a new directory instead',
        )
      if (path !== undefined && values.to !== undefined)
        throw usage(
          `\`${path}\` has no \`--only\` before it, and \`--to\` names the directory already`,
          'give `--only` before each path',
        )
      const to = values.to ?? path
      return extract(request, { to, paths: values.only, at: values.at })
    }
    if (values.to !== undefined)
      throw usage('`--to` goes with `--only`', 'to restore all, give the directory as PATH')
    if (path === undefined) throw usage('PATH is missing', 'name the directory to restore')
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
  const standing = currentDirectory()
  await using threads = startThreads('restore')
  return await withArchive(request, async (options) => {
    const { restoreTree } = await import('@berth/archive')
    const data = await restoreTree({ ...options, ...wanted, threads }).catch((error: unknown) => {
      throw wanted.existing === 'fail' ? asExisting(error) : error
    })
    if (data.result === 'restored' && isReplaced(standing))
      options.onNote?.('warn', 'the current directory was replaced: `cd "$PWD"` leads into the new')
    return data.result === 'kept' ? await keptAnswer(options, data) : answer(options, data)
  })
}

type Wanted = Pick<RestoreOptions, 'directory' | 'existing' | 'at'>

/** The service speaks as the recipes do. */
function asExisting(cause: unknown): unknown {
  if (!isBerthError(cause) || cause.code !== 'archive/existing') return cause
  return new BerthError(cause.code, cause.message, {
    hint: 'move it away, or give `--existing aside` to have it renamed',
    cause,
  })
}

type Kept = Extract<RestoreResult, { result: 'kept' }>

/** Whoever asks by hand may have expected the newest. */
async function keptAnswer({ store, name, signal }: Request, kept: Kept): Promise<ArchiveAnswer> {
  const exitCode = exitCodes.right
  if (kept.generation === 0)
    return { data: kept, text: `kept what is there: ${kept.reason}`, exitCode }
  const { latestGeneration } = await import('@berth/archive')
  const latest = (await latestGeneration(store, name, { signal })) ?? 0
  const text =
    latest > kept.generation
      ? `(generation ${kept.generation}; the store has ${snapshotName(latest)}): \`--at ${snapshotName(latest)}\` replaces it, what is there is set aside`
      : `(generation ${kept.generation}): ${kept.reason}`
  return { data: { ...kept, latest }, text: `kept what is there ${text}`, exitCode }
}

interface Extraction {
  to: string | undefined
  paths: readonly string[]
  at: string | undefined
}

async function extract(request: ArchiveRequest, { to, paths, at }: Extraction): Promise<number> {
  return await withArchive(request, async (options) => {
    const { extractPaths, latestGeneration } = await import('@berth/archive')
    const { store, name, signal } = options
    // What names the directory is what comes to lie in it, whoever saves meanwhile.
    const wanted =
      to === undefined && at === undefined ? await latestGeneration(store, name, { signal }) : at
    const snapshot = /^\d+$/.test(`${wanted}`) ? snapshotName(Number(wanted)) : at
    const directory = resolve(to ?? `${basename(name)}-${snapshot ?? ''}`)
    const data = await extractPaths({ ...options, directory, paths, at: snapshot })
    return answer(options, { ...data, directory })
  })
}

function snapshotName(generation: number): string {
  return `${generation}`.padStart(8, '0')
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
