import { defaultStoreUrl, type Environment, parseStoreUrl } from '@berth/object-store'

/**
 * The URL of the store that a bucket's name means: a URL is taken as it is, and of the name of the environment's own store that one's
 * endpoint and region count. Its keys belong there, and to no other service.
 */
export function storeOfName(name: string, env: Environment): string {
  if (name.startsWith('s3://')) return name
  const store = `s3://${name.replace(/^\/+|\/+$/g, '')}`
  const own = defaultStoreUrl(env)
  if (own === undefined || name.includes('?') || bucketOf(own) !== bucketOf(store)) return store
  const [, query] = own.split('?')
  return query === undefined ? store : `${store}?${query}`
}

/** Undefined for what is no bucket, or can't be read: whoever asks for that store is told. */
function bucketOf(url: string): string | undefined {
  try {
    const location = parseStoreUrl(url)
    return location.kind === 's3' ? location.bucket : undefined
  } catch {
    return undefined
  }
}
