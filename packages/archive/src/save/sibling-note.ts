import { archiveArguments, quoted } from '../snapshots/command-text.ts'
import type { Base } from './save-base.ts'
import type { SaveOptions } from './save.ts'

interface Sibling {
  /** Its name. */
  snapshot: string
  vanished: number
  entries: number
}

/** Says why a snapshot lies beside the history, and what to do about it. */
export function announceSibling(
  { options, base }: { options: SaveOptions; base: Base },
  sibling: Sibling,
): void {
  const { name, onNote } = options
  const { why, cure } = explain(options, base, sibling)
  onNote?.(
    'warn',
    `saved beside the history of \`${name}\` as \`${sibling.snapshot}\`: ${why}; ${cure}`,
  )
}

function explain(
  options: SaveOptions,
  base: Base,
  { vanished, entries }: Sibling,
): { why: string; cure: string } {
  const { directory, name } = options
  const which = archiveArguments(options)
  const accept = `\`berth archive save ${quoted(directory)} ${which} --accept-vanished\` makes it the newest`
  const take = `\`berth archive restore ${quoted(directory)} ${which} --at ${base.latest?.name}\` puts the newest in its place`
  if (vanished * 2 > entries)
    return {
      why: `${vanished} of ${entries} entries had vanished`,
      cure: `so do the next saves. If they were removed on purpose, ${accept}`,
    }
  if (base.lost !== undefined)
    return {
      why: `the \`${base.lost}\` that this directory was made from is no longer in the store, which was put back from a copy, or pruned`,
      cure: `so do the next saves. If this directory is what shall go on, ${accept}; if the history is, ${take}`,
    }
  const isKept = base.record !== undefined && base.record.sibling !== '' && !base.diverged
  if (isKept && base.ancestor === undefined)
    return {
      why: 'so does the save before, and what the two have in common with the history is not known',
      cure: `if this directory is what shall go on, ${accept}; if the history is, ${take}`,
    }
  const since = base.record?.generation ?? base.manifest?.generation ?? 0
  const why = `another pod has saved \`${name}\` since generation ${since}`
  return base.diverged
    ? { why, cure: `what both began with is not known, so that they can’t be merged; ${take}` }
    : { why, cure: 'the next save merges the two' }
}
