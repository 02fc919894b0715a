import { resolve } from 'node:path'
import {
  type DamagedSnapshot,
  type RepairResult,
  type VerifyResult,
  damageHint,
  manifestHint,
} from '@berth/archive'
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
    'accept-lost': {
      type: 'boolean',
      describe: 'with --repair: commit a generation that lacks what is nowhere any more',
    },
    'dry-run': {
      type: 'boolean',
      describe: 'with --repair: say what would be built and committed; write nothing',
    },
  },
  run: ({ positionals, values }) => {
    const name = requireName(eitherName(positionals[0], values.name))
    const { repair, at, from } = values
    const dryRun = values['dry-run']
    const acceptLost = values['accept-lost']
    if (repair ? at !== undefined : from.length > 0 || dryRun || acceptLost) {
      throw new BerthError(
        'cli/usage',
        repair ? '`--repair` is for a whole archive, not `--at`' : '`--repair` is missing',
        { hint: 'see `berth archive verify --help`' },
      )
    }
    return withArchive(
      { verb: repair ? 'repair' : 'verify', name, store: values.store, json: values.json },
      (options) =>
        repair ? repairAll(options, { from, dryRun, acceptLost }) : verify(options, at),
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
  { from, ...how }: { from: readonly string[]; dryRun: boolean; acceptLost: boolean },
): Promise<ArchiveAnswer> {
  const { findOwnTrees, repairArchive } = await import('@berth/archive')
  const { store, name } = options
  const directories =
    from.length > 0
      ? from.map((directory) => resolve(directory))
      : await findOwnTrees(process.cwd(), { archive: name, store: store.url })
  const data = await repairArchive({ ...options, ...how, directories })
  if (data.found.snapshots === 0) throw await missingArchive(store, name, options.signal)
  if (directories.length === 0)
    options.onNote?.('warn', 'no tree of this archive is here: name one with `--from DIRECTORY`')
  const exitCode = data.damaged.length === 0 ? exitCodes.right : exitCodes.failed
  return { data, text: repairText(name, data, how), exitCode }
}

function repairText(
  name: string,
  result: RepairResult,
  { dryRun, acceptLost }: { dryRun: boolean; acceptLost: boolean },
): string {
  const { found, rebuilt, generation, committed, damaged } = result
  if (found.problems.length === 0 && generation === 'none') return verdict(name, found)
  const would = dryRun ? 'would be ' : ''
  return [
    ...rebuilt.map((key) => `✔ ${key}: ${would}built again, to the byte`),
    ...damaged.map(damagedText),
    ...(generation === 'committed' ? [`✔ committed ${committed} with what is at hand`] : []),
    ...(generation === 'would-commit'
      ? ['✔ would commit a further generation with what is at hand']
      : []),
    ...(generation === 'withheld' ? [withheldText(name, acceptLost)] : []),
    damaged.length === 0
      ? `✔ \`${name}\` ${dryRun ? 'would be' : 'is'} whole again: ${counted(rebuilt.length, 'chunk')}`
      : `✖ \`${name}\` ${dryRun ? 'would still be' : 'is still'} damaged: ${counted(rebuilt.length, 'chunk')} ${would}built again, ${counted(damaged.length, 'snapshot')} not whole`,
  ].join('\n')
}

function withheldText(name: string, acceptLost: boolean): string {
  if (acceptLost) return '✖ committed nothing: no file of the newest snapshot is at hand'
  return [
    '✖ committed nothing: a further generation would lack what is lost, and every restore would take it',
    `  To fix: run \`berth archive verify --repair --name ${name} --from DIRECTORY\` on a pod that still has the tree`,
    '  or add `--accept-lost`, to go on without those files',
  ].join('\n')
}

// The result as JSON has all of them.
const MAX_NAMED = 10

function damagedText({ snapshot, unreadable, lost, held }: DamagedSnapshot): string {
  if (unreadable) return `✖ ${snapshot}: its manifest can not be read`
  const more = lost.length > MAX_NAMED ? ` and ${lost.length - MAX_NAMED} more` : ''
  const named = `lost ${counted(lost.length, 'file')}: ${lost.slice(0, MAX_NAMED).join(', ')}${more}`
  return [
    `✖ ${snapshot}: ${lost.length === 0 ? 'nothing is lost' : named}`,
    held === 0 ? '' : `${counted(held, 'file')} at hand, but not as the chunks that it names`,
  ]
    .filter((text) => text !== '')
    .join('; ')
}

function verdict(name: string, { snapshots, chunks, storedBytes, problems }: VerifyResult): string {
  const amount = `${counted(snapshots, 'snapshot')}, ${counted(chunks, 'chunk')}, ${formatBytes(storedBytes)}`
  if (problems.length === 0) return `✔ \`${name}\` is whole: ${amount}`
  const hasDamagedChunks = problems.some(({ key }) => key.startsWith('chunks/'))
  return [
    ...problems.map(
      ({ key, code, message, snapshots: needing }) =>
        `✖ ${message.includes(key) ? message : `${key}: ${message}`}  ${code}\n  needed by ${needing.join(', ')}`,
    ),
    `✖ \`${name}\` is damaged: ${amount}`,
    `  To fix: ${hasDamagedChunks ? damageHint(name) : manifestHint}`,
  ].join('\n')
}
