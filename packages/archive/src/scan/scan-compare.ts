import type { OwnedColumns, TreeColumns } from '../format/manifest-columns.ts'
import type { ScanColumns } from './scan-columns.ts'

/** The numbers of files and links that are not as the manifest has them. */
export interface Differences {
  files: number[]
  links: number[]
}

/**
 * Compares a scan with a manifest column by column. `undefined` when entries came or went, or another order makes it look so: then only
 * a comparison by path can tell. A file whose ctime is not older than the watermark counts as different: it must be read to know.
 */
export function findDifferences(
  scan: ScanColumns,
  base: TreeColumns,
  watermark: number,
): Differences | undefined {
  if (!hasSameEntries(scan, base)) return undefined
  return {
    files: differentFiles(scan.files, base.files, watermark),
    links: differentLinks(scan, base),
  }
}

function hasSameEntries(scan: ScanColumns, base: TreeColumns): boolean {
  return (
    isSame(scan.directories.parent, base.directories.parent) &&
    isSame(scan.directories.names, base.directories.names) &&
    isSame(scan.directories.mode, base.directories.mode) &&
    isSameOwner(scan.directories, base.directories) &&
    isSame(scan.files.starts, base.files.starts) &&
    scan.files.names === base.files.names.text &&
    isSame(scan.links.directory, base.links.directory) &&
    isSame(scan.links.names, base.links.names) &&
    scan.hardLinks.length === base.hardLinks.length &&
    scan.hardLinks.every((link, index) => isSame(link, base.hardLinks[index] ?? []))
  )
}

function differentFiles(
  scan: ScanColumns['files'],
  base: TreeColumns['files'],
  watermark: number,
): number[] {
  const different: number[] = []
  for (let index = 0; index < scan.size.length; index++) {
    const isAlike =
      scan.size[index] === base.size[index] &&
      scan.mtime[index] === base.mtime[index] &&
      scan.mode[index] === base.mode[index] &&
      scan.uid[index] === base.uid[index] &&
      scan.gid[index] === base.gid[index] &&
      ((scan.ctime[index] as number) < watermark || scan.size[index] === 0)
    if (!isAlike) different.push(index)
  }
  return different
}

/** Their mtimes don't count. */
function differentLinks({ links: scan }: ScanColumns, { links: base }: TreeColumns): number[] {
  const different: number[] = []
  for (let index = 0; index < scan.target.length; index++) {
    const isAlike =
      scan.target[index] === base.target[index] &&
      scan.uid[index] === base.uid[index] &&
      scan.gid[index] === base.gid[index]
    if (!isAlike) different.push(index)
  }
  return different
}

function isSameOwner(
  a: Pick<OwnedColumns, 'uid' | 'gid'>,
  b: Pick<OwnedColumns, 'uid' | 'gid'>,
): boolean {
  return isSame(a.uid, b.uid) && isSame(a.gid, b.gid)
}

function isSame(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}
