import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Base } from '../save/save-base.ts'
import type { ScannedFile } from '../scan/scan.ts'
import type { LinkEntry, Tree, TreePath } from '../format/tree.ts'

/** A file that names where the tree lies: so it is on this disk, while the archive keeps what it was. */
export interface RewrittenFile {
  path: TreePath
  /** Bytes. */
  size: number
  /** Of the content. */
  hash: string
}

export interface RewrittenLink {
  path: TreePath
  target: string
}

/** What a restore has adapted to another place. It is not the user's change, and no save sends it. */
export interface Rewritten {
  files: RewrittenFile[]
  links: RewrittenLink[]
}

/** A record's part. */
export function recorded(rewritten: Rewritten): { rewritten?: Rewritten } {
  return rewritten.files.length + rewritten.links.length === 0 ? {} : { rewritten }
}

/** Half a sha256, as the archive's other content hashes. */
export function rewrittenHash(content: Uint8Array): string {
  return hash('sha256', content, 'hex').slice(0, 32)
}

/** What of a base tells how the archive holds what a restore has rewritten. */
type Archived = Pick<Base, 'record' | 'watermark'> & {
  manifest: { tree: Pick<Tree, 'files' | 'links'> } | undefined
}

/**
 * What a scan found, with each file that is still as the restore has written it described as the archive holds it: such a file counts
 * as untouched, and its size is the archive's: whoever reads it all the same finds other bytes. What the user has changed since stays what
 * it is now. `rewritten` is what was recognised.
 */
export function asArchived<Scan extends Pick<Tree<ScannedFile>, 'files' | 'links'>>(
  scan: Scan,
  { record, manifest, watermark }: Archived,
  root: string,
): { scan: Scan; rewritten: Rewritten } {
  const known = record?.rewritten
  const rewritten: Rewritten = { files: [], links: [] }
  if (known === undefined || manifest === undefined) return { scan, rewritten }
  const [files, links] = [byPath(known.files), byPath(known.links)]
  const [archivedFiles, archivedLinks] = [
    byPath(manifest.tree.files.filter(({ path }) => files.has(path))),
    byPath(manifest.tree.links.filter(({ path }) => links.has(path))),
  ]
  const asFile = (file: ScannedFile): ScannedFile => {
    const [now, before] = [files.get(file.path), archivedFiles.get(file.path)]
    if (now === undefined || before === undefined) return file
    if (file.size !== now.size || file.mtime !== before.mtime) return file
    if (file.ctime >= watermark && hashOf(root, file.path) !== now.hash) return file
    rewritten.files.push(now)
    return { ...file, size: before.size, sparse: before.sparse, ctime: -Infinity }
  }
  const asLink = (link: LinkEntry): LinkEntry => {
    const [now, before] = [links.get(link.path), archivedLinks.get(link.path)]
    if (now === undefined || before === undefined || link.target !== now.target) return link
    rewritten.links.push(now)
    return { ...link, target: before.target }
  }
  return {
    scan: { ...scan, files: scan.files.map(asFile), links: scan.links.map(asLink) },
    rewritten,
  }
}

function hashOf(root: string, path: TreePath): string | undefined {
  try {
    return rewrittenHash(readFileSync(join(root, path)))
  } catch {
    // Gone or unreadable by now: the save finds that out by itself.
    return undefined
  }
}

function byPath<Entry extends { path: TreePath }>(entries: readonly Entry[]): Map<TreePath, Entry> {
  return new Map(entries.map((entry) => [entry.path, entry]))
}
