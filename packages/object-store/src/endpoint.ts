import { BerthError } from '@berth/core/error'

/**
 * Reads the address of an S3 service; `source` says where it was written (`the store URL`, `AWS_ENDPOINT_URL_S3`).
 * Throws `object-store/bad-endpoint`, and `object-store/credentials-in-url`.
 */
export function parseEndpoint(value: string | undefined, source: string): URL | undefined {
  if (value === undefined) return undefined
  if (value.includes('@')) throw credentialsInUrl(source)
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw badEndpoint(value, source, `did you mean \`${suggestEndpoint(value)}\`?`)
  }
  const endpoint = new URL(value)
  if (endpoint.search === '' && endpoint.hash === '') return endpoint
  throw badEndpoint(endpoint.origin, source, 'leave out what follows the `?` or the `#`')
}

/** The error for a URL with a user or a key in it; repeats nothing of it. */
export function credentialsInUrl(source: string): BerthError {
  return new BerthError(
    'object-store/credentials-in-url',
    `could not use ${source}: it holds credentials, and URLs are printed`,
    { hint: 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment instead' },
  )
}

function badEndpoint(value: string, source: string, hint: string): BerthError {
  const message = `could not use the endpoint \`${value}\` of ${source}: it is not an http(s) URL`
  return new BerthError('object-store/bad-endpoint', message, { hint })
}

function suggestEndpoint(value: string): string {
  const [, scheme = '', host = ''] = /^(?:(https?|[a-z0-9]+):?\/+)?(.*)$/i.exec(value) ?? []
  const isLocal = /^(localhost|127\.|\[)/.test(host) || /^[^./]+:\d/.test(host)
  const known = /^https?$/i.test(scheme) ? scheme.toLowerCase() : undefined
  return `${known ?? (isLocal ? 'http' : 'https')}://${host}`
}
