import { formatSnapshotName, hashesKey, hintKey, manifestKey } from './format.ts'
import { type ChunkHashes, encodeHashes } from './known-content.ts'
import { type Manifest, decodeManifest, encodeFinalManifest } from './manifest.ts'
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
 * Puts the manifest: from that moment on the snapshot exists, and nothing that follows can fail the save. Its hashes come before it,
 * its hint after it. When another save has taken the generation meanwhile, the snapshot is put beside it as a sibling: nothing is
 * overwritten and nothing is lost.
 */
export async function commitSnapshot(options: ArchiveOptions, commit: Commit): Promise<Committed> {
  const { store, signal, name: archive } = options
  const { manifest, hashes } = commit
  const bytes = encodeFinalManifest(manifest)
  // A snapshot that no restore could read must not exist.
  decodeManifest(bytes, manifestKey(archive, bornName(manifest)))
  if (hashes.length > 0)
    await store.put(hashesKey(archive, bornName(manifest)), encodeHashes(hashes), { signal })
  if (commit.beside) return putSibling(options, manifest, bytes)
  const conditional = await store.supportsConditionalWrites({ signal })
  const name = conditional
    ? formatSnapshotName({ generation: manifest.generation, suffix: '', sibling: false })
    : bornName(manifest)
  const result = await store.put(manifestKey(archive, name), bytes, {
    signal,
    ifAbsent: conditional,
  })
  if (
    result === 'exists' &&
    (await readSnapshot(store, archive, name, { signal })).id !== manifest.id
  ) {
    return putSibling(options, manifest, bytes)
  }
  if (!conditional && !(await isLatest(options, name))) {
    // Under this name alone it would pass for a part of the history, which goes on without it.
    return putSibling(options, manifest, bytes)
  }
  await store.put(hintKey(archive), Buffer.from(name), { signal }).catch(() => undefined)
  return { name, sibling: false }
}

/** Without conditional writes several savers may have put this generation; the listing says which of them is the history's. */
async function isLatest(
  { store, signal, name: archive }: ArchiveOptions,
  name: string,
): Promise<boolean> {
  const latest = await findLatest(store, archive, { signal }).catch(() => undefined)
  return latest === undefined || latest.name === name
}

async function putSibling(
  { store, name: archive, signal }: ArchiveOptions,
  { generation, id }: Manifest,
  bytes: Buffer,
): Promise<Committed> {
  const name = formatSnapshotName({ generation, suffix: id, sibling: true })
  await store.put(manifestKey(archive, name), bytes, { signal })
  return { name, sibling: true }
}
