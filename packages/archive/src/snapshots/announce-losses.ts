import { nameLate } from '../format/late.ts'
import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'

/** Says of a snapshot what it lacks: what its save had no time for, and what a repair did not find. */
export function announceLosses(
  { name, onNote }: Pick<ArchiveOptions, 'name' | 'onNote'>,
  snapshot: string,
  { lacks, late = [] }: Pick<Manifest, 'lacks' | 'late'>,
): void {
  if (late.length > 0)
    onNote?.(
      'warn',
      `\`${name}\` ${snapshot} is partial: its save had no time for ${nameLate(late)}, of which it has what was saved before, if anything`,
    )
  if (lacks === undefined) return
  const { files, of } = lacks
  onNote?.(
    'warn',
    `\`${name}\` ${snapshot} was made by a repair and lacks ${files} ${files === 1 ? 'file' : 'files'} of ${of}: \`berth archive verify --repair --name ${name} --from DIRECTORY\` on a pod that still has them puts them back; once ${of} is whole, \`--at ${of}\` restores it`,
  )
}
