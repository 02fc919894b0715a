import type { ArchiveInfo, SnapshotInfo } from '@berth/archive'
import { type ArchiveAnswer, archiveOptions, eitherName, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { emptyStore, missingArchive } from '../missing-archive.ts'
import { counted } from '../reporters/counted.ts'
import { formatBytes } from '../reporters/format.ts'

export const archiveList = defineCommand({
  usage: 'archive list [NAME] --store URL',
  description:
    'Lists the archives of a store; with NAME the snapshots of one, newest first, and what each changed, or the archives below `NAME/`.',
  positionals: [0, 1],
  options: archiveOptions,
  run: ({ positionals, values }) => {
    const request = {
      verb: 'list',
      name: eitherName(positionals[0], values.name) ?? '',
      store: values.store,
      json: values.json,
    }
    return withArchive(request, async ({ store, name, signal, onNote }) => {
      const { describeArchives, listSnapshots } = await import('@berth/archive')
      if (name === '') {
        const archives = await describeArchives(store, { signal })
        if (archives.length === 0)
          onNote?.('info', `there is no archive in ${store.url}: ${emptyStore(store.url)}`)
        return archivesAnswer(archives)
      }
      const snapshots = await listSnapshots(store, name, { signal, changes: true })
      if (snapshots.length === 0) {
        const below = await describeArchives(store, { signal, below: name })
        if (below.length === 0) throw await missingArchive(store, name, signal)
        onNote?.('info', `\`${name}\` is no archive; these lie below it`)
        return archivesAnswer(below)
      }
      return {
        data: snapshots,
        text: snapshots.map(snapshotRows).join('\n'),
        exitCode: exitCodes.right,
      }
    })
  },
})

function archivesAnswer(archives: readonly ArchiveInfo[]): ArchiveAnswer {
  return {
    data: archives,
    text: archives.map(archiveRow).join('\n'),
    exitCode: exitCodes.right,
  }
}

function archiveRow(info: ArchiveInfo): string {
  return joined([
    info.archive,
    `generation ${info.generation}`,
    dateText(info.created),
    sizeText(info),
    info.pod,
    ...info.python.map((version) => `python ${version}`),
    `${counted(info.snapshots, 'snapshot')} since ${dateText(info.oldest)}, stored ${formatBytes(info.allStoredBytes)}`,
    info.siblings === 0 ? '' : `${counted(info.siblings, 'sibling')} beside the history`,
    lacksText(info),
    partialText(info),
  ])
}

function snapshotRows(info: SnapshotInfo): string {
  const row = joined([
    info.name,
    dateText(info.created),
    sizeText(info),
    info.pod,
    ...info.python.map((version) => `python ${version}`),
    info.beside ? 'beside the history' : '',
    info.additive ? 'only adds' : '',
    info.compacted ? 'compacted' : '',
    lacksText(info),
    partialText(info),
    info.unread === 0 ? '' : `partial: ${counted(info.unread, 'path')} could not be read`,
  ])
  // It holds the files of the one before.
  return info.changes === undefined || info.compacted
    ? row
    : `${row}\n  ${changesText(info.changes)}`
}

function partialText({ late }: Pick<SnapshotInfo, 'late'>): string {
  if (late.length === 0) return ''
  const named = late.slice(0, MAX_NAMED).map((path) => (path === '' ? 'its uppermost files' : path))
  const more = late.length > MAX_NAMED ? ` and ${late.length - MAX_NAMED} more` : ''
  return `partial: without ${named.join(', ')}${more}`
}

function lacksText({ lacks }: Pick<SnapshotInfo, 'lacks'>): string {
  return lacks === undefined
    ? ''
    : `made by a repair: lacks ${counted(lacks.files, 'file')} of ${lacks.of}`
}

// The result as JSON has all of them.
const MAX_NAMED = 8

function changesText(changes: NonNullable<SnapshotInfo['changes']>): string {
  const { since, added, changed, removed, units } = changes
  const named = units.slice(0, MAX_NAMED).map(unitText)
  const more = units.length > MAX_NAMED ? [`and ${units.length - MAX_NAMED} more`] : []
  const counts = `${added} added, ${changed} changed, ${removed} removed since ${since}`
  return [counts, [...named, ...more].join(', ')].filter((text) => text !== '').join(': ')
}

function unitText({
  unit,
  change,
  from,
  to,
}: NonNullable<SnapshotInfo['changes']>['units'][number]): string {
  if (change === 'added') return `+ ${[unit, to].filter(Boolean).join(' ')}`
  if (change === 'removed') return `− ${[unit, from].filter(Boolean).join(' ')}`
  return from === undefined ? `~ ${unit}` : `~ ${unit} ${from} → ${to}`
}

function sizeText(info: { files: number; bytes: number; storedBytes: number }): string {
  return `${counted(info.files, 'file')}, ${formatBytes(info.bytes)} (stored ${formatBytes(info.storedBytes)})`
}

/** `2026-11-20 03:12:45Z`: UTC, in the order that sorts. */
function dateText(iso: string): string {
  return iso.replace('T', ' ').replace(/(\.\d+)?Z$/, 'Z')
}

function joined(parts: readonly string[]): string {
  return parts.filter((text) => text !== '').join('  ')
}
