import type { ReadManifest } from './manifest.ts'
import type { Base } from './save-base.ts'
import { findDifferences } from './scan-compare.ts'
import type { ScannedTree } from './scan.ts'

/**
 * Whether a tree is for certain as its base has it, so that there is nothing to read, to send or to record: found out from the columns
 * alone. False decides nothing.
 */
export function isUntouched(found: ScannedTree, base: Base): boolean {
  const { manifest, watermark } = base
  const columns = (manifest as Partial<ReadManifest> | undefined)?.columns
  if (manifest === undefined || columns === undefined) return false
  if (base.diverged || watermark === 0) return false
  if (found.columns.leftOut.some(({ unread }) => unread)) return false
  const differences = findDifferences(found.columns, columns, watermark)
  return differences !== undefined && differences.files.length + differences.links.length === 0
}
