import { createHash, createHmac } from 'node:crypto'
import type { S3Settings } from './settings.ts'

/** A request as it goes on the wire. */
export interface WireGet {
  origin: URL
  /** Path and query. */
  path: string
  headers: Record<string, string>
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const EMPTY_SHA256 = createHash('sha256').update('').digest('hex')

/**
 * Where a GET of an object goes, or `undefined` where only the SDK knows: without an endpoint or fixed keys, with a bucket's name in
 * the host that is none, with a customer's key.
 */
export function addressOf(settings: S3Settings): { origin: URL; root: string } | undefined {
  const { endpoint, bucket, pathStyle, credentials, customerKey } = settings
  if (endpoint === undefined || credentials === undefined || customerKey !== undefined)
    return undefined
  const root = endpoint.pathname.replace(/\/$/, '')
  const origin = new URL(endpoint.origin)
  if (endpoint.search !== '' || endpoint.username !== '') return undefined
  if (pathStyle) return { origin, root: `${root}/${encode(bucket)}` }
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket)) return undefined
  origin.hostname = `${bucket}.${origin.hostname}`
  return { origin, root }
}

/** A request that is to be signed: of an object, or with an empty key of the bucket. */
export interface PlainRequest {
  /** GET unless told. */
  method?: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  key: string
  /** Of the body, in hex; that of an empty one unless told. */
  sha256?: string
  headers?: Record<string, string>
  query?: Record<string, string>
}

/** Signs a request (AWS Signature Version 4); `undefined` where the SDK has to. */
export function signRequest(
  settings: S3Settings,
  { method = 'GET', key, sha256: content = EMPTY_SHA256, headers, query = {} }: PlainRequest,
  now: Date,
): WireGet | undefined {
  const address = addressOf(settings)
  const { credentials, region } = settings
  if (address === undefined || credentials === undefined) return undefined
  const { origin, root } = address
  const time = `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const path = `${root}/${key.split('/').map(encode).join('/')}`
  const signed: Record<string, string> = {
    host: origin.host,
    ...headers,
    'x-amz-content-sha256': content,
    'x-amz-date': time,
    ...(credentials.sessionToken !== undefined && {
      'x-amz-security-token': credentials.sessionToken,
    }),
  }
  const names = Object.keys(signed).toSorted()
  const search = Object.keys(query)
    .toSorted()
    .map((name) => `${encode(name)}=${encode(query[name] ?? '')}`)
    .join('&')
  const lines = names.map((name) => `${name}:${signed[name]}\n`).join('')
  const canonical = [method, path, search, lines, names.join(';'), content].join('\n')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const text = [ALGORITHM, time, scope, sha256(canonical)].join('\n')
  const signature = hmac(signingKey(credentials.secretAccessKey, scope), text).toString('hex')
  const authorization = `${ALGORITHM} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  const target = search === '' ? path : `${path}?${search}`
  return { origin, path: target, headers: { ...signed, authorization } }
}

/** The same for all requests of a day. */
function signingKey(secretAccessKey: string, scope: string): Buffer | string {
  if (lastKey?.secret === secretAccessKey && lastKey.scope === scope) return lastKey.key
  let key: Buffer | string = `AWS4${secretAccessKey}`
  for (const part of scope.split('/')) key = hmac(key, part)
  lastKey = { secret: secretAccessKey, scope, key }
  return key
}

let lastKey: { secret: string; scope: string; key: Buffer | string } | undefined

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(secret: Buffer | string, text: string): Buffer {
  return createHmac('sha256', secret).update(text).digest()
}

/** As SigV4 wants it: everything but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
