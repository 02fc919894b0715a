import { besideName, bornName, putBeside, putInHistory } from './commit-put.ts'
import { hashesKey } from '../format/format.ts'
import { type ChunkHashes, encodeHashes } from '../save/known-content.ts'
import type { Manifest } from '../format/manifest.ts'
import { type Divided, type Merged, mergeIntoHistory } from './merge-commit.ts'
import type { ArchiveOptions } from '../options.ts'

export { bornName } from './commit-put.ts'

export interface Commit extends Partial<Pick<Divided, 'onAttempt'>> {
  manifest: Manifest
  hashes: readonly ChunkHashes[]
  /** Saved beside the history from the start. */
  beside: boolean
  /** The state of this tree that the history is known to hold; where it is not known, nothing can be merged. */
  ancestor?: Manifest | undefined
  /** The tree lacks what the history has got since: it can't be its next state. */
  apart?: boolean
}

export interface Committed {
  /** The snapshot's name. */
  name: string
  sibling: boolean
  /** The history had gone on, and both are in it now. */
  merged?: Merged
}

/**
 * Puts the manifest: from that moment on the snapshot exists, and nothing that follows can fail the save. Its hashes come before it,
 * its hint after it. When the history has gone on meanwhile, the two are merged; what can't be merged lies beside the history. Nothing
 * is overwritten and nothing is lost.
 */
export async function commitSnapshot(options: ArchiveOptions, commit: Commit): Promise<Committed> {
  const { store, signal, name: archive } = options
  const { manifest, hashes, ancestor, onAttempt = async () => {} } = commit
  if (hashes.length > 0)
    await store.put(hashesKey(archive, bornName(manifest)), encodeHashes(hashes), { signal })
  if (!commit.beside && commit.apart !== true) {
    const name = await putInHistory(options, manifest)
    if (name !== undefined) return { name, sibling: false }
  }
  if (!commit.beside && ancestor !== undefined) {
    const merged = await mergeIntoHistory(options, { ancestor, mine: manifest, onAttempt })
    if (merged !== undefined)
      return {
        name: merged.isNew ? merged.name : besideName(manifest),
        sibling: !merged.isNew,
        merged,
      }
  }
  return { name: await putBeside(options, manifest), sibling: true }
}
