import { parseStoreUrl } from './location.ts'
import type { Patience } from './patience.ts'
import { readS3Settings, type Environment } from './settings.ts'
import type { ObjectStore } from './store.ts'

export interface OpenStoreOptions {
  /** Where settings and credentials come from; `process.env` is never read by us. */
  env: Environment
  /** Aborts every request of the store. */
  signal?: AbortSignal | undefined
  /** How long to wait and how often to try again; the provider's own values unless given. */
  patience?: Partial<Patience>
}

/**
 * Opens the store that a URL names (`file:///path`, `s3://bucket/prefix`). Contacts nothing yet: a wrong URL or half a key pair throws
 * here, a wrong key or a missing bucket with the first request.
 */
export async function openStore(url: string, options: OpenStoreOptions): Promise<ObjectStore> {
  const location = parseStoreUrl(url)
  if (location.kind === 'directory') {
    const { openDirectoryStore } = await import('./directory-store.ts')
    return openDirectoryStore(location.path, options.signal)
  }
  const settings = readS3Settings(location, options.env)
  // The SDK takes a quarter of a second to load, which a directory's users need not wait for.
  const { openS3Store } = await import('./s3-store.ts')
  return openS3Store(settings, { signal: options.signal, patience: options.patience })
}
