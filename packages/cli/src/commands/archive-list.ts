import type { SnapshotInfo } from '@berth/archive'
import { archiveOptions, withArchive } from '../archive-session.ts'
import { defineCommand } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatBytes, formatCount } from '../reporters/format.ts'

export const archiveList = defineCommand({
  usage: 'archive list --store URL [--name NAME]',
  description: 'Lists the snapshots of an archive, or of all archives of a store, newest first.',
  positionals: [0, 0],
  options: archiveOptions,
  run: ({ values }) =>
    withArchive(
      { verb: 'list', name: values.name ?? '', store: values.store, json: values.json },
      async ({ store, name, signal, onNote }) => {
        const { listArchives, listSnapshots } = await import('@berth/archive')
        const names = name === '' ? await listArchives(store, { signal }) : [name]
        const lists = []
        for (const archive of names)
          lists.push(...(await listSnapshots(store, archive, { signal })))
        if (lists.length === 0) {
          const what = name === '' ? 'archive' : `archive \`${name}\``
          onNote?.('info', `there is no ${what} in ${store.url}`)
        }
        return { data: lists, text: lists.map(row).join('\n'), exitCode: exitCodes.right }
      },
    ),
})

function row(info: SnapshotInfo): string {
  const size = `${formatCount(info.files)} file${info.files === 1 ? '' : 's'}, ${formatBytes(info.bytes)} (stored ${formatBytes(info.storedBytes)})`
  const notes = [
    info.sibling ? 'beside the history' : '',
    ...info.python.map((version) => `python ${version}`),
  ]
  return [`${info.archive}@${info.name}`, info.created, size, info.pod, ...notes]
    .filter((text) => text !== '')
    .join('  ')
}
