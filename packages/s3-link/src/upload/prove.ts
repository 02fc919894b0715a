import { createHash } from 'node:crypto'
import type { FileStore, StoredFile, WrittenFile } from '@berth/object-store'

/** What is known of the content that an object should have. */
export interface Content {
  size: number
  sha256: string
  /** What its ETag is where ETags are MD5s; asked only when it matters. */
  etag: () => string
}

/** What our own write was answered, and the word that nobody else can have put into its metadata. */
export interface OwnWrite extends WrittenFile {
  token: string
}

/** The metadata that carries a proof. */
export const metadataNames = { sha256: 'berth-sha256', token: 'berth-token', name: 'berth-name' }

/**
 * Whether an object has a file's bytes. Never by its size or its name alone, and not by the hash in its metadata alone either: s3fs keeps
 * the metadata of an object whose content it replaces. It counts when
 * - its ETag is the MD5 that these bytes have, or
 * - it carries the token of our own write and the ETag that this was answered, or
 * - its bytes, read back, have the hash.
 */
export async function holdsContent(
  store: FileStore,
  found: StoredFile,
  {
    content,
    own,
    signal,
  }: { content: Content; own?: OwnWrite | undefined; signal?: AbortSignal | undefined },
): Promise<boolean> {
  if (found.size !== content.size) return false
  if (isOwnWrite(found, content, own)) return true
  if (store.limits.etagIsMd5 && found.etag === content.etag()) return true
  const said = found.metadata[metadataNames.sha256]
  if (said !== undefined && said !== content.sha256) return false
  // A plain MD5 that differs is proof of the contrary; that of parts depends on how they were cut.
  if (store.limits.etagIsMd5 && /^[0-9a-f]{32}$/.test(found.etag)) {
    if (!content.etag().includes('-')) return false
  }
  return (await readBack(store, found.key, signal)) === content.sha256
}

/**
 * Whether the answer to a write proves that the object has the file's bytes: the service says which SHA-256 what it took has, or an ETag that
 * is the MD5 of these bytes. Not where a service has been seen to confirm what it lost: there the object is looked at.
 */
export function isProvenByAnswer(
  store: Pick<FileStore, 'limits'>,
  written: WrittenFile,
  content: Content,
): boolean {
  if (!store.limits.etagIsMd5 || written.etag === '') return false
  return written.sha256 === content.sha256 || written.etag === content.etag()
}

function isOwnWrite(found: StoredFile, content: Content, own: OwnWrite | undefined): boolean {
  return (
    own !== undefined &&
    own.etag !== '' &&
    found.etag === own.etag &&
    found.metadata[metadataNames.token] === own.token &&
    found.metadata[metadataNames.sha256] === content.sha256
  )
}

async function readBack(
  store: FileStore,
  key: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  await store.objects.stream(key, (bytes) => void hash.update(bytes), { signal })
  return hash.digest('hex')
}
