import { type FileStore, openFileStore, openStore, type ObjectStore } from '@berth/object-store'
import type { MountSpec } from '../driver/driver.ts'

export interface StoreQuestion {
  signal: AbortSignal
  /** Of one request. */
  patience?: Parameters<typeof openStore>[1]['patience']
}

/** The store of a mount, opened with the mount's own keys. */
export function storeOf(
  spec: MountSpec,
  { signal, patience }: StoreQuestion,
): Promise<ObjectStore> {
  return openStore(storeUrlOf(spec), {
    env: storeEnvironment(spec),
    signal,
    ...(patience === undefined ? {} : { patience }),
  })
}

/** The same for whole files. */
export function fileStoreOf(
  spec: MountSpec,
  signal: AbortSignal,
  patience?: StoreQuestion['patience'],
): Promise<FileStore> {
  return openFileStore(storeUrlOf(spec), {
    env: storeEnvironment(spec),
    signal,
    ...(patience === undefined ? {} : { patience }),
  })
}

/** Without keys, ready to be shown. */
export function storeUrlOf({ bucket, prefix, endpoint, region, pathStyle }: MountSpec): string {
  const query = new URLSearchParams({
    ...(endpoint === undefined ? {} : { endpoint }),
    region,
    'path-style': String(pathStyle),
  })
  return `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}?${decodeURIComponent(query.toString())}`
}

function storeEnvironment({ credentials }: MountSpec): Record<string, string> {
  return {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey.reveal(),
    ...(credentials.sessionToken === undefined
      ? {}
      : { AWS_SESSION_TOKEN: credentials.sessionToken.reveal() }),
  }
}
