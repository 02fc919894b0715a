import type { ReadManifest } from '../format/manifest.ts'
import { asArchived } from '../venv/rewritten.ts'
import type { Base } from './save-base.ts'
import { isSameFile, isSameLink } from './same-tree.ts'
import { findDifferences } from '../scan/scan-compare.ts'
import type { ScannedTree } from '../scan/scan.ts'
import type { StoredFile } from '../format/manifest.ts'
import type { Tree } from '../format/tree.ts'

// What a relocation rewrites are some hundred scripts at most.
const FEW = 4096

/**
 * Whether a tree is for certain as its base has it, so that there is nothing to read, to send or to record: found out from the columns
 * alone. False decides nothing.
 */
export function isUntouched(found: ScannedTree, base: Base, root: string): boolean {
  const { manifest, watermark } = base
  const columns = (manifest as Partial<ReadManifest> | undefined)?.columns
  if (manifest === undefined || columns === undefined) return false
  if (base.diverged || base.pending || watermark === 0) return false
  if (found.columns.leftOut.some(({ unread }) => unread)) return false
  const differences = findDifferences(found.columns, columns, watermark)
  if (differences === undefined) return false
  const { files, links } = differences
  if (files.length + links.length === 0) return true
  if (base.record?.rewritten === undefined || files.length + links.length > FEW) return false
  const part = <Entry extends { files: unknown[]; links: unknown[] }>(tree: Entry): Entry => ({
    ...tree,
    files: files.map((index) => tree.files[index]),
    links: links.map((index) => tree.links[index]),
  })
  const now = part(found.tree)
  const before: Tree<StoredFile> = part(manifest.tree)
  const { scan } = asArchived(now, { ...base, manifest: { ...manifest, tree: before } }, root)
  return (
    scan.files.every((file, index) => {
      const old = before.files[index]
      return (
        old !== undefined &&
        isSameFile({ ...file, place: old.place }, old) &&
        file.ctime < watermark
      )
    }) &&
    scan.links.every((link, index) => {
      const old = before.links[index]
      return old !== undefined && isSameLink(link, old)
    })
  )
}
