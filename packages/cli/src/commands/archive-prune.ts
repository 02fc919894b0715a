import type { PruneResult } from '@berth/archive'
import { BerthError, isBerthError } from '@berth/core/error'
import { archiveOptions, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { missingArchive } from '../missing-archive.ts'
import { formatBytes } from '../reporters/format.ts'
import { counted } from '../reporters/counted.ts'

export const archivePrune = defineCommand({
  usage: 'archive prune --store URL [--name NAME]',
  description:
    'Forgets old snapshots and removes what no snapshot needs, in three runs with the grace between them: one marks old snapshots and what is of no use, the next forgets and removes what was marked, the third removes what the forgotten snapshots alone needed. Saves and restores may go on meanwhile. The newest snapshot stays, the newest for each kind of machine too, whatever the numbers are.',
  positionals: [0, 0],
  options: {
    ...archiveOptions,
    name: {
      type: 'string',
      value: 'NAME',
      describe: 'forget snapshots of this archive only; default: of all in the store',
    },
    'keep-last': {
      type: 'string',
      value: 'N',
      describe: 'the newest snapshots, one at least; default: 5',
    },
    'keep-daily': {
      type: 'string',
      value: 'N',
      describe: 'the newest of each of N days (UTC) with saves; default: 7',
    },
    'keep-weekly': {
      type: 'string',
      value: 'N',
      describe: 'the newest of each of N weeks with saves; default: 0',
    },
    siblings: {
      type: 'string',
      value: 'AGE',
      describe: 'forget snapshots beside the history that are older, such as 30d; default: none',
    },
    grace: {
      type: 'string',
      value: 'AGE',
      describe: 'how long a mark stands before its removal; at least 1h; default: 24h',
    },
    'dry-run': {
      type: 'boolean',
      describe: 'say what would go now and later, and how much; write nothing',
    },
  },
  run: async ({ values }) => {
    const { listArchives, parseAge, parseGrace, pruneStore } = await import('@berth/archive')
    const retention = {
      ...countOf('keep-last', values['keep-last'], 'keepLast'),
      ...countOf('keep-daily', values['keep-daily'], 'keepDaily'),
      ...countOf('keep-weekly', values['keep-weekly'], 'keepWeekly'),
      siblingsMs: ageOf('siblings', values.siblings, parseAge),
    }
    const graceMs = ageOf('grace', values.grace, parseGrace)
    const dryRun = values['dry-run']
    return withArchive(
      { verb: 'prune', name: values.name ?? '', store: values.store, json: values.json },
      async ({ store, name, signal, onNote }) => {
        if (name !== '' && !(await listArchives(store, { signal })).includes(name))
          throw await missingArchive(store, name, signal)
        const only = name === '' ? undefined : name
        const request = { store, signal, onNote, name: only, retention, graceMs, dryRun }
        const data = await pruneStore(request)
        return {
          data,
          text: pruneText(store.url, data, {
            dryRun,
            keepsSiblings: retention.siblingsMs === undefined,
          }),
          exitCode: exitCodes.right,
        }
      },
    )
  },
})

function countOf<Key extends string>(
  option: string,
  text: string | undefined,
  key: Key,
): Partial<Record<Key, number>> {
  if (text === undefined) return {}
  if (/^\d{1,6}$/.test(text)) return { [key]: Number(text) } as Record<Key, number>
  throw new BerthError('cli/usage', `\`--${option} ${text}\` is no count`, {
    hint: `give a whole number: \`--${option} 5\``,
  })
}

function ageOf(
  option: string,
  text: string | undefined,
  parse: (text: string) => number,
): number | undefined {
  try {
    return text === undefined ? undefined : parse(text)
  } catch (cause) {
    if (!isBerthError(cause)) throw cause
    throw new BerthError('cli/usage', `\`--${option}\`: ${cause.message}`, {
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      cause,
    })
  }
}

function pruneText(
  url: string,
  result: PruneResult,
  { dryRun, keepsSiblings }: { dryRun: boolean; keepsSiblings: boolean },
): string {
  const { removed, marked, later, nextAt, spared, kept, young } = result
  const would = dryRun ? 'would have ' : ''
  const lines = [
    `${result.result} ${url}${dryRun ? ' (dry run: nothing was written)' : ''}`,
    amountLine(`${would}removed`, removed),
    amountLine(result.result === 'waiting' ? 'marked before' : `${would}marked`, marked),
    later.objects === 0
      ? ''
      : `free a grace after these snapshots are forgotten: ${counted(later.objects, 'object')}, ${formatBytes(later.bytes)}`,
    ...(nextAt === '' ? [] : [`a prune after ${nextAt} removes what is marked and still unused`]),
    spared.objects + spared.snapshots.length === 0
      ? ''
      : `spared, because in use again or kept by now: ${[counted(spared.objects, 'object'), ...spared.snapshots].join(', ')}`,
    young.objects === 0
      ? ''
      : `left, because a save under way may have put them: ${counted(young.objects, 'object')}, ${formatBytes(young.bytes)}`,
    `kept: ${counted(kept.snapshots, 'snapshot')}, ${counted(kept.objects, 'object')}, ${formatBytes(kept.bytes)}`,
    keepsSiblings && kept.siblings > 0
      ? `${counted(kept.siblings, 'sibling')} kept: see \`--siblings\``
      : '',
  ]
  return lines.filter((line) => line !== '').join('\n  ')
}

// The result as JSON has all of them.
const MAX_NAMED = 10

function amountLine(what: string, { objects, bytes, snapshots }: PruneResult['removed']): string {
  if (objects + snapshots.length === 0) return ''
  const named = snapshots.slice(0, MAX_NAMED).join(', ')
  const more = snapshots.length > MAX_NAMED ? ', …' : ''
  const forgotten =
    snapshots.length === 0 ? '' : `; ${counted(snapshots.length, 'snapshot')}: ${named}${more}`
  return `${what}: ${counted(objects, 'object')}, ${formatBytes(bytes)}${forgotten}`
}
