import type { ReadManifest, StoredFile } from '../format/manifest.ts'
import type { TreeColumns } from '../format/manifest-columns.ts'
import { buildEntries } from '../format/manifest-build.ts'
import { type Rewritten, asArchived } from '../venv/rewritten.ts'
import type { Base } from './save-base.ts'
import { isSameFile, isSameLink } from './same-tree.ts'
import { buildScannedEntries } from '../scan/scan-build.ts'
import { findDifferences } from '../scan/scan-compare.ts'
import type { ScannedFile, ScannedTree } from '../scan/scan.ts'
import type { LinkEntry, Tree } from '../format/tree.ts'

/** A tree with the entries that its base has, some of whose files may not be as it has them. */
export interface Touched {
  base: ReadManifest
  columns: TreeColumns
  /** Those that size, times and attributes do not vouch for; none when the tree is for certain as its base has it. */
  files: TouchedFile[]
  /** What the tree still is as a restore adapted it. */
  rewritten: Rewritten
}

export interface TouchedFile {
  /** Among the files of the scan and of the base alike. */
  number: number
  now: ScannedFile
  before: StoredFile
}

// What a relocation rewrites are some hundred scripts at most.
const FEW = 4096

/**
 * Compares a scan with its base by the columns of both: a fraction of what one object for each entry takes. `undefined` where that
 * decides nothing, because entries came or went, too much is different, or the base is not what it seems.
 */
export function findTouched(found: ScannedTree, base: Base, root: string): Touched | undefined {
  const { watermark, record } = base
  const manifest = base.manifest as Partial<ReadManifest> & Base['manifest']
  const columns = manifest?.columns
  if (manifest === undefined || columns === undefined) return undefined
  if (base.diverged || base.pending || watermark === 0) return undefined
  if (found.columns.leftOut.some(({ unread }) => unread)) return undefined
  const differences = findDifferences(found.columns, columns, watermark)
  if (differences === undefined) return undefined
  if (differences.files.length + differences.links.length > FEW) return undefined
  const scanned = buildScannedEntries(found.columns, differences)
  const before = buildEntries(columns, differences)
  const { scan, rewritten } = asArchived(
    scanned,
    { record, watermark, manifest: { tree: before } },
    root,
  )
  if (!scan.links.every((link, index) => isSameLink(link, before.links[index] as LinkEntry)))
    return undefined
  const files = scan.files.map((now, index) => ({
    number: differences.files[index] as number,
    now,
    before: before.files[index] as StoredFile,
  }))
  const isVouchedFor = ({ now, before: old }: TouchedFile): boolean =>
    isSameFile({ ...now, place: old.place }, old) && now.ctime < watermark
  return {
    base: manifest as ReadManifest,
    columns,
    files: files.filter((file) => !isVouchedFor(file)),
    rewritten: withUntouched(record?.rewritten, rewritten, scanned),
  }
}

/** What was not even looked at is still as the restore has written it. */
function withUntouched(
  known: Rewritten | undefined,
  recognised: Rewritten,
  looked: Pick<Tree, 'files' | 'links'>,
): Rewritten {
  const paths = new Set([...looked.files, ...looked.links].map(({ path }) => path))
  const isUntouched = ({ path }: { path: string }): boolean => !paths.has(path)
  return {
    files: [...(known?.files.filter(isUntouched) ?? []), ...recognised.files],
    links: [...(known?.links.filter(isUntouched) ?? []), ...recognised.links],
  }
}
