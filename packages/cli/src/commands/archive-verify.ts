import { resolve } from 'node:path'
import type { RepairResult, VerifyResult } from '@berth/archive'
import { BerthError } from '@berth/core/error'
import {
  type ArchiveAnswer,
  archiveOptions,
  eitherName,
  requireName,
  withArchive,
} from '../archive-session.ts'
import { missingArchive } from '../missing-archive.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { counted } from '../reporters/counted.ts'
import { formatBytes } from '../reporters/format.ts'

type Session = Parameters<Parameters<typeof withArchive>[1]>[0]

export const archiveVerify = defineCommand({
  usage: 'archive verify NAME --store URL',
  description:
    'Fetches and decodes everything that the snapshots of an archive need. Changes nothing, unless --repair is given: then what is missing or damaged is built again from directories that still hold it.',
  positionals: [0, 1],
  options: {
    ...archiveOptions,
    at: { type: 'string', value: 'SNAPSHOT', describe: 'only this snapshot; default: all of them' },
    repair: { type: 'boolean', describe: 'build missing and damaged chunks again' },
    from: {
      type: 'string',
      value: 'DIRECTORY',
      multiple: true,
      describe: 'with --repair: where to look; default: trees of this archive, here and in here',
    },
    'dry-run': {
      type: 'boolean',
      describe: 'with --repair: say what would be built; write nothing',
    },
  },
  run: ({ positionals, values }) => {
    const name = requireName(eitherName(positionals[0], values.name))
    const { repair, at, from } = values
    const dryRun = values['dry-run']
    if (repair ? at !== undefined : from.length > 0 || dryRun) {
      throw new BerthError(
        'cli/usage',
        repair ? '`--repair` is for a whole archive, not `--at`' : '`--repair` is missing',
        { hint: 'see `berth archive verify --help`' },
      )
    }
    return withArchive(
      { verb: repair ? 'repair' : 'verify', name, store: values.store, json: values.json },
      (options) => (repair ? repairAll(options, { from, dryRun }) : verify(options, at)),
    )
  },
})

async function verify(options: Session, at: string | undefined): Promise<ArchiveAnswer> {
  const { verifyArchive } = await import('@berth/archive')
  const data = await verifyArchive({ ...options, snapshot: at })
  if (data.snapshots === 0) throw await missingArchive(options.store, options.name, options.signal)
  const exitCode = data.problems.length === 0 ? exitCodes.right : exitCodes.failed
  return { data, text: verdict(options.name, data), exitCode }
}

async function repairAll(
  options: Session,
  { from, dryRun }: { from: readonly string[]; dryRun: boolean },
): Promise<ArchiveAnswer> {
  const { findOwnTrees, repairArchive } = await import('@berth/archive')
  const { store, name } = options
  const directories =
    from.length > 0
      ? from.map((directory) => resolve(directory))
      : await findOwnTrees(process.cwd(), { archive: name, store: store.url })
  const data = await repairArchive({ ...options, directories, dryRun })
  if (data.found.snapshots === 0) throw await missingArchive(store, name, options.signal)
  if (directories.length === 0)
    options.onNote?.('warn', 'no tree of this archive is here: name one with `--from DIRECTORY`')
  const exitCode = data.lost.length === 0 ? exitCodes.right : exitCodes.failed
  return { data, text: repairText(name, data, dryRun), exitCode }
}

function repairText(name: string, result: RepairResult, dryRun: boolean): string {
  const { found, rebuilt, committed, lost } = result
  if (found.problems.length === 0) return verdict(name, found)
  const would = dryRun ? 'would be ' : ''
  return [
    ...rebuilt.map((key) => `✔ ${key}: ${would}built again, to the byte`),
    ...(committed === '' ? [] : [`✔ committed ${committed} with what could be found again`]),
    ...lost.map(lostText),
    lost.length === 0
      ? `✔ \`${name}\` ${dryRun ? 'would be' : 'is'} whole again: ${counted(rebuilt.length, 'chunk')}`
      : `✖ \`${name}\` is still damaged: ${counted(rebuilt.length, 'chunk')} ${would}built again, ${counted(lost.length, 'snapshot')} not whole`,
  ].join('\n')
}

// The result as JSON has all of them.
const MAX_NAMED = 10

function lostText({ snapshot, paths }: RepairResult['lost'][number]): string {
  if (paths.length === 0) return `✖ ${snapshot}: its manifest can not be read`
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : ''
  return `✖ ${snapshot}: lost ${paths.slice(0, MAX_NAMED).join(', ')}${more}`
}

function verdict(name: string, { snapshots, chunks, storedBytes, problems }: VerifyResult): string {
  const amount = `${counted(snapshots, 'snapshot')}, ${counted(chunks, 'chunk')}, ${formatBytes(storedBytes)}`
  const lines = problems.map(
    ({ key, code, message, snapshots: needing }) =>
      `✖ ${key}: ${message}  ${code}\n  needed by ${needing.join(', ')}`,
  )
  const summary = problems.length === 0 ? `✔ \`${name}\` is whole` : `✖ \`${name}\` is damaged`
  return [...lines, `${summary}: ${amount}`].join('\n')
}
