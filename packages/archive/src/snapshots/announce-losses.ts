import { nameLate } from '../format/late.ts'
import type { Manifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'

/** Says of a snapshot what it lacks: what its save had no time for. */
export function announceLosses(
  { name, onNote }: Pick<ArchiveOptions, 'name' | 'onNote'>,
  snapshot: string,
  { late = [] }: Pick<Manifest, 'late'>,
): void {
  if (late.length > 0)
    onNote?.(
      'warn',
      `\`${name}\` ${snapshot} is partial: its save had no time for ${nameLate(late)}, of which it has what was saved before, if anything`,
    )
}
