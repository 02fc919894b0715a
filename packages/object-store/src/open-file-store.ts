import { BerthError } from '@berth/core/error'
import type { FileStore } from './file-store.ts'
import { parseStoreUrl } from './location.ts'
import type { OpenStoreOptions } from './open-store.ts'
import { readS3Settings } from './settings.ts'

/** Opens a bucket, or a prefix in it, for whole files; contacts nothing yet. Throws for a URL that is not `s3://`. */
export async function openFileStore(url: string, options: OpenStoreOptions): Promise<FileStore> {
  const location = parseStoreUrl(url)
  if (location.kind === 'directory') {
    throw new BerthError(
      'object-store/bad-url',
      `could not put files into \`${url}\`: it is no bucket`,
      {
        hint: 'give a URL such as `s3://bucket/prefix`',
      },
    )
  }
  const settings = readS3Settings(location, options.env)
  const { openS3Files } = await import('./s3-files.ts')
  return openS3Files(settings, { signal: options.signal, patience: options.patience })
}
