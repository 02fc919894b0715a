import type { Manifest, ReadManifest } from '../format/manifest.ts'
import { type TreeColumns, readColumns } from '../format/manifest-columns.ts'
import { encodeTree } from '../format/manifest-tree.ts'

/** The tree of a manifest in columns: as they were read, or made of a tree that somebody else put together. */
export function columnsOf(manifest: Manifest | ReadManifest): TreeColumns {
  const read = 'columns' in manifest ? manifest.columns : undefined
  return read ?? readColumns(encodeTree(manifest.tree))
}

/** What a tree takes on a disk; holes take no room, and how many a sparse file has is not known. */
export function roomFor({ files, directories, links }: TreeColumns): {
  bytes: number
  files: number
} {
  let bytes = 0
  for (const [file, size] of files.size.entries()) if (!files.sparse.has(file)) bytes += size
  const count = files.size.length + directories.names.length + links.names.length
  return { bytes, files: count }
}

/** Bytes of all files, uncompressed, each counted once however many names it has. */
export function sumSizes({ files }: TreeColumns): number {
  let bytes = 0
  for (const size of files.size) bytes += size
  return bytes
}
