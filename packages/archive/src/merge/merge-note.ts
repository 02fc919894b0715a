import type { Merged } from './merge-commit.ts'
import type { ArchiveOptions } from '../options.ts'

// Two pods that have both used an app for a day differ in many small files.
const NAMED_AT_MOST = 5

/** Says that a save met the history's next, and where that lies which could not be taken from both. */
export function announceMerge({ name, onNote }: ArchiveOptions, merged: Merged): void {
  const { conflicts, beside, isNew } = merged
  if (isNew)
    onNote?.(
      'info',
      `another pod had saved \`${name}\` meanwhile: both pods’ changes are in ${merged.name}`,
    )
  const grave = conflicts.filter(({ kind }) => kind !== 'path')
  for (const { path, snapshot } of grave.slice(0, NAMED_AT_MOST)) {
    const whose = snapshot === beside ? 'this pod’s' : 'the other’s'
    onNote?.(
      'warn',
      `${path === '' ? 'the tree' : `\`${path}\``} was changed here and by another pod: ${whose} lies beside the history of \`${name}\` as \`${snapshot}\``,
    )
  }
  const small = conflicts.filter(({ kind }) => kind === 'path').map(({ path }) => `\`${path}\``)
  const rest = Math.max(0, small.length - NAMED_AT_MOST) + Math.max(0, grave.length - NAMED_AT_MOST)
  if (small.length === 0 && rest === 0) return
  const named = small.slice(0, NAMED_AT_MOST).join(', ')
  const older = conflicts.find(({ kind }) => kind === 'path')?.snapshot ?? merged.name
  onNote?.(
    'info',
    `changed here and by another pod: ${named}${rest > 0 ? ` and ${rest} more` : ''}; the other’s are in \`${older}\``,
  )
}
