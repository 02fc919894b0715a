/** Whether two names are of the same bucket, or the same prefix of it: `art`, `s3://art/` and the URL of a store with its settings. */
export function isSameBucket(one: string, other: string): boolean {
  return plain(one) === plain(other)
}

function plain(name: string): string {
  const [path = ''] = name.replace(/^s3:\/\//, '').split('?')
  return path.replace(/^\/+|\/+$/g, '')
}
