import { formatSnapshotName, hashesKey, hintKey, manifestKey } from './format.ts'
import { type ChunkHashes, encodeHashes } from './known-content.ts'
import { type Manifest, encodeManifest } from './manifest.ts'
import type { ArchiveOptions } from './options.ts'
import { findLatest, readSnapshot } from './snapshots.ts'

export interface Commit {
  manifest: Manifest
  hashes: readonly ChunkHashes[]
  /** Saved beside the history from the start. */
  beside: boolean
}

export interface Committed {
  /** The snapshot's name. */
  name: string
  sibling: boolean
}

/** The name under which a save's hashes lie, and that its new chunks carry as `born`: unique, so that a cut save leaves nothing in the way. */
export function bornName(manifest: { generation: number; id: string }): string {
  return formatSnapshotName({
    generation: manifest.generation,
    suffix: manifest.id,
    sibling: false,
  })
}

/**
 * Puts the manifest: from that moment on the snapshot exists. Its hashes come before it, its hint after it. When another save has
 * taken the generation meanwhile, the snapshot is put beside it as a sibling: nothing is overwritten and nothing is lost.
 */
export async function commitSnapshot(options: ArchiveOptions, commit: Commit): Promise<Committed> {
  const { store, signal, name: archive } = options
  const { manifest, hashes } = commit
  if (hashes.length > 0)
    await store.put(hashesKey(archive, bornName(manifest)), encodeHashes(hashes), { signal })
  if (commit.beside) return putSibling(options, manifest)
  const conditional = await store.supportsConditionalWrites({ signal })
  const name = formatSnapshotName({
    generation: manifest.generation,
    suffix: conditional ? '' : manifest.id,
    sibling: false,
  })
  const result = await store.put(manifestKey(archive, name), encodeManifest(manifest), {
    signal,
    ifAbsent: conditional,
  })
  if (
    result === 'exists' &&
    (await readSnapshot(store, archive, name, { signal })).id !== manifest.id
  ) {
    return putSibling(options, manifest)
  }
  // Without conditional writes two savers may both have put this generation; the listing says which of them is the history's.
  const latest = conditional ? name : (await findLatest(store, archive, { signal }))?.name
  if (latest === name) await store.put(hintKey(archive), Buffer.from(name), { signal })
  return { name, sibling: latest !== name }
}

async function putSibling(options: ArchiveOptions, manifest: Manifest): Promise<Committed> {
  const name = formatSnapshotName({
    generation: manifest.generation,
    suffix: manifest.id,
    sibling: true,
  })
  await options.store.put(manifestKey(options.name, name), encodeManifest(manifest), {
    signal: options.signal,
  })
  return { name, sibling: true }
}
