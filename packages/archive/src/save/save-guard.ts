import { BerthError } from '@berth/core/error'
import { bornName } from '../merge/commit.ts'
import { readCondemned } from '../prune/condemned.ts'
import { chunkKey } from '../format/format.ts'
import { createLimit } from '../workers/limit.ts'
import { type Chunk, type Manifest, storedBytes } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { readSnapshotId } from '../snapshots/snapshots.ts'
import type { Stopwatch } from '../workers/stopwatch.ts'

// A quarter of the shortest grace that a prune is given: what was there when a save began stays until long after its commit.
const QUICK_MS = 15 * 60 * 1000
const REQUESTS = 8

/** What a save relies on that a prune could have taken away meanwhile. */
export interface Reliance {
  manifest: Manifest
  /** The snapshot whose chunks it uses, by name and by id. */
  base: { name: string; id: string } | undefined
  /** Since before the base was read. */
  watch: Stopwatch
}

/**
 * To be asked right before a commit. A save that took so long that a prune may have come and gone looks whether all that it relies on
 * is still there. Throws `archive/pruned`.
 */
export async function requireUnpruned(
  options: ArchiveOptions,
  { manifest, base, watch }: Reliance,
): Promise<void> {
  if (watch() < QUICK_MS) return
  const { store, signal, name } = options
  const again = watch()
  if (base !== undefined && (await readSnapshotId(store, name, base.name, { signal })) !== base.id)
    throw pruned(options, `the snapshot \`${base.name}\` that it was made from is gone`)
  const condemned = await readCondemned(store, { signal })
  const born = bornName(manifest)
  const fresh = manifest.chunks.filter((chunk) => chunk.born === born)
  const run = createLimit(REQUESTS)
  const isThere = async (chunk: Chunk): Promise<boolean> => {
    const key = chunkKey(chunk.sha256, chunk.kind)
    if (condemned.has(key)) return false
    return (await store.head(key, { signal }))?.size === storedBytes(chunk)
  }
  const answers = await Promise.all(fresh.map((chunk) => run(() => isThere(chunk))))
  if (answers.includes(false)) throw pruned(options, 'chunks that it put are gone, or about to go')
  if (watch() - again >= QUICK_MS) throw pruned(options, 'to look for its chunks took too long')
}

function pruned({ name, store }: ArchiveOptions, why: string): BerthError {
  return new BerthError(
    'archive/pruned',
    `could not save \`${name}\`: ${store.url} was pruned meanwhile, and ${why}`,
    { hint: 'save again: nothing was committed, and what this save has put is used' },
  )
}
