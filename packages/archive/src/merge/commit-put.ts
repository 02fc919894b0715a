import { formatSnapshotName, hintKey, manifestKey } from '../format/format.ts'
import { type Manifest, decodeManifest, encodeFinalManifest } from '../format/manifest.ts'
import type { ArchiveOptions } from '../options.ts'
import { findLatest, readSnapshot } from '../snapshots/snapshots.ts'

/** The name under which a save's hashes lie, and that its new chunks carry as `born`: unique, so that a cut save leaves nothing in the way. */
export function bornName(manifest: { generation: number; id: string }): string {
  return formatSnapshotName({
    generation: manifest.generation,
    suffix: manifest.id,
    sibling: false,
  })
}

/**
 * Puts a manifest as the history's next, and then the hint; answers its name, or `undefined` when another has taken the generation.
 * Where the store has no conditional writes, it stays there under its own name all the same.
 */
export async function putInHistory(
  options: ArchiveOptions,
  manifest: Manifest,
): Promise<string | undefined> {
  const { store, signal, name: archive } = options
  const bytes = encodeChecked(archive, manifest)
  const conditional = await store.supportsConditionalWrites({ signal })
  const name = conditional
    ? formatSnapshotName({ generation: manifest.generation, suffix: '', sibling: false })
    : bornName(manifest)
  const key = manifestKey(archive, name)
  const result = await store.put(key, bytes, { signal, ifAbsent: conditional })
  if (result === 'exists') {
    const there = await readSnapshot(store, archive, name, { signal })
    if (there.id !== manifest.id) return undefined
  }
  if (!conditional && !(await isLatest(options, name))) return undefined
  await store.put(hintKey(archive), Buffer.from(name), { signal }).catch(() => undefined)
  return name
}

/** Without conditional writes several savers may have put this generation; the listing says which of them is the history's. */
async function isLatest(
  { store, signal, name: archive }: ArchiveOptions,
  name: string,
): Promise<boolean> {
  const latest = await findLatest(store, archive, { signal }).catch(() => undefined)
  return latest === undefined || latest.name === name
}

/** The name of a snapshot beside the history. */
export function besideName({ generation, id }: Manifest): string {
  return formatSnapshotName({ generation, suffix: id, sibling: true })
}

/** Puts a manifest beside the history; answers its name. */
export async function putBeside(
  { store, name: archive, signal }: ArchiveOptions,
  manifest: Manifest,
): Promise<string> {
  const name = besideName(manifest)
  await store.put(manifestKey(archive, name), encodeChecked(archive, manifest), { signal })
  return name
}

/** A snapshot that no restore could read must not exist. */
function encodeChecked(archive: string, manifest: Manifest): Buffer {
  const bytes = encodeFinalManifest(manifest)
  decodeManifest(bytes, manifestKey(archive, bornName(manifest)))
  return bytes
}
