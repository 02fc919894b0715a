import { BerthError } from '@berth/core/error'
import type { SnapshotList, SnapshotReference } from './snapshots.ts'

// A hint is one line; the list has the rest.
const MAX_NAMED = 8

/**
 * The snapshot that a user means: `9` and `00000009` are the history's; a sibling is named in full. Throws `archive/missing-snapshot`,
 * saying which there are.
 */
export function findSnapshot(
  list: SnapshotList,
  at: string,
  where: { archive: string; store: string },
): SnapshotReference {
  const all = [...list.history, ...list.siblings]
  const generation = /^\d+$/.test(at) ? Number(at) : undefined
  const found =
    all.find(({ name }) => name === at) ??
    list.history.find((reference) => reference.generation === generation)
  if (found !== undefined) return found
  const sameGeneration = list.siblings.filter((sibling) => sibling.generation === generation)
  const named = (sameGeneration.length > 0 ? sameGeneration : all).map(({ name }) => `\`${name}\``)
  const more = named.length > MAX_NAMED ? ` and ${named.length - MAX_NAMED} more` : ''
  throw new BerthError(
    'archive/missing-snapshot',
    `there is no snapshot \`${at}\` of \`${where.archive}\` in ${where.store}`,
    { hint: `name one that is there: ${named.slice(0, MAX_NAMED).join(', ')}${more}` },
  )
}
