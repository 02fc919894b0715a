import { parseSnapshotName } from '../format/format.ts'
import type { Manifest } from '../format/manifest.ts'
import type { SnapshotList } from './snapshots.ts'

/**
 * The names of the snapshots that lie beside the history. Without conditional writes a name does not tell that: of several with one
 * generation any may be what the history went on from, and one that was put late may have a place of its own. There the newest
 * decides, as far back as it names what it was made from.
 */
export function findBeside({ history, siblings }: SnapshotList, newest: Manifest): Set<string> {
  const made = new Set([newest.id, ...(newest.ancestors ?? [])])
  const named = [...history, ...siblings].map((reference) => {
    const { suffix = '', sibling = false } = parseSnapshotName(reference.name) ?? {}
    return { ...reference, isMade: made.has(suffix), tells: suffix !== '' && !sibling }
  })
  const known = named.filter(({ isMade, tells }) => isMade && tells)
  const oldest = Math.min(...known.map(({ generation }) => generation))
  const beside = named.filter(({ generation, isMade, sibling, tells }) =>
    tells && generation >= oldest ? !isMade : sibling,
  )
  return new Set(beside.map(({ name }) => name))
}
