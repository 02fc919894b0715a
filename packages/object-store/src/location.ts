import { BerthError } from '@berth/core/error'
import { suggest } from '@berth/core/suggest'
import { credentialsInUrl, parseEndpoint } from './endpoint.ts'

/** A store URL, parsed and checked; nothing has been contacted. */
export type StoreLocation = DirectoryLocation | S3Location

export interface DirectoryLocation {
  kind: 'directory'
  /** Absolute. */
  path: string
}

export interface S3Location {
  kind: 's3'
  bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  prefix: string
  endpoint: URL | undefined
  region: string | undefined
  storageClass: string | undefined
  pathStyle: boolean | undefined
  /** The most requests under way at once. */
  pool: number | undefined
}

const queryKeys = ['endpoint', 'region', 'storage-class', 'path-style', 'pool']
const credentialWords = /access|secret|token|passw|credential|signature|(^|[-_])key/i
const maxPool = 256

/**
 * Reads `file:///path` or `s3://bucket/prefix?endpoint=…&region=…&storage-class=…&path-style=…&pool=…`.
 *
 * Throws `object-store/bad-url` with what was probably meant, and `object-store/credentials-in-url`, whose message shows no part of
 * the credentials.
 */
export function parseStoreUrl(text: string): StoreLocation {
  refuseCredentials(text)
  const [, scheme, rest] = /^(file|s3):\/\/(.*)$/su.exec(text) ?? []
  if (scheme === 'file' && rest !== undefined) return parseDirectory(text, rest)
  if (scheme === 's3' && rest !== undefined) return parseS3(text, rest)
  throw badUrl(text, 'it is neither `file:///path` nor `s3://bucket/prefix`', suggestUrl(text))
}

function parseDirectory(text: string, rest: string): DirectoryLocation {
  if (!rest.startsWith('/')) {
    throw badUrl(text, 'a directory is named by an absolute path', `file:///${rest}`)
  }
  const query = rest.indexOf('?')
  if (query !== -1) {
    throw badUrl(text, 'a directory takes no options', `file://${rest.slice(0, query)}`)
  }
  let path: string
  try {
    path = decodeURIComponent(rest)
  } catch {
    throw badUrl(text, 'a `%` starts no escape', `file://${rest.replaceAll('%', '%25')}`)
  }
  if (path.includes('\0')) throw badUrl(text, 'a path holds no NUL')
  if (path.split('/').some((component) => component === '.' || component === '..')) {
    throw badUrl(text, 'the path must not hold `.` or `..`')
  }
  return { kind: 'directory', path: path.replaceAll(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '') }
}

function parseS3(text: string, rest: string): S3Location {
  const [, bucket = '', path = '', query = ''] = /^([^/?]*)([^?]*)\??(.*)$/su.exec(rest) ?? []
  if (bucket === '')
    throw badUrl(text, 'it names no bucket', `s3://${path.replace(/^\/+/, '') || 'bucket'}`)
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket)) {
    throw badUrl(text, `\`${bucket}\` can't be the name of a bucket`, suggestEndpoint(bucket, path))
  }
  const prefix = path.replace(/^\//, '').replace(/\/$/, '')
  if (prefix !== '' && prefix.split('/').some((part) => ['', '.', '..'].includes(part))) {
    throw badUrl(text, 'the prefix has an empty part, `.` or `..`')
  }
  const options = parseQuery(text, query)
  return {
    kind: 's3',
    bucket,
    prefix,
    endpoint: parseEndpoint(options.get('endpoint'), 'the store URL'),
    region: matching(text, 'region', options.get('region'), /^[A-Za-z0-9-]+$/),
    storageClass: parseStorageClass(text, options.get('storage-class')),
    pathStyle: parseBoolean(text, options.get('path-style')),
    pool: parsePool(text, options.get('pool')),
  }
}

function parseQuery(text: string, query: string): Map<string, string> {
  const options = new Map<string, string>()
  for (const [key, value] of new URLSearchParams(query)) {
    if (!queryKeys.includes(key)) {
      const known = suggest(key, queryKeys)
      throw new BerthError(
        'object-store/bad-url',
        `the store URL \`${redactUrl(text)}\` has the unknown option \`${key}\``,
        {
          hint:
            known === undefined
              ? `the options are ${queryKeys.map((name) => `\`${name}\``).join(', ')}`
              : `did you mean \`${known}\`?`,
        },
      )
    }
    if (options.has(key)) throw badUrl(text, `the option \`${key}\` occurs twice`)
    if (value === '') throw badUrl(text, `the option \`${key}\` is empty`)
    options.set(key, value)
  }
  return options
}

function parseStorageClass(text: string, value: string | undefined): string | undefined {
  matching(text, 'storage-class', value, /^[A-Z][A-Z0-9_]*$/, value?.toUpperCase())
  if (value === 'GLACIER' || value === 'DEEP_ARCHIVE') {
    throw badUrl(text, `objects of class \`${value}\` can't be read before they are thawed`)
  }
  return value
}

function parseBoolean(text: string, value: string | undefined): boolean | undefined {
  matching(text, 'path-style', value, /^(true|false)$/)
  return value === undefined ? undefined : value === 'true'
}

function parsePool(text: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const pool = /^\d{1,4}$/.test(value) ? Number(value) : 0
  if (pool < 1 || pool > maxPool) {
    throw badUrl(text, `\`pool\` is a number from 1 to ${maxPool}, not \`${value}\``)
  }
  return pool
}

function matching(
  text: string,
  key: string,
  value: string | undefined,
  ...[pattern, meant]: [RegExp, string?]
): string | undefined {
  if (value === undefined || pattern.test(value)) return value
  throw badUrl(text, `\`${key}\` can't be \`${value}\``, meant && `${key}=${meant}`)
}

/** Wherever a key may stand in a URL, and also where it holds a `/`, a `?` or a `&`, as the keys of Amazon often do. */
function refuseCredentials(text: string): void {
  const [, start = '', rest = ''] =
    /^((?:s3[a-z]?|file|https?)(?::|(?=\/))|[a-z0-9]+:(?=\/))?\/{0,3}(.*)$/isu.exec(text) ?? []
  const [authority = ''] = rest.split(/[/?]/, 1)
  const query = rest.includes('?') ? rest.slice(rest.indexOf('?') + 1) : ''
  const isDirectory = /^file:?$/i.test(start) || text.startsWith('/')
  const hasUser = /@|%40/i.test(authority.includes(':') ? rest : authority + query)
  // A host has a port behind its colon, and a bucket has no colon.
  const hasPair = /:(?!\d{1,5}$)/.test(authority)
  if (!isDirectory && (hasUser || hasPair)) throw credentialsInUrl('the store URL')
  for (const key of new URLSearchParams(query).keys()) {
    if (!queryKeys.includes(key) && credentialWords.test(key))
      throw credentialsInUrl('the store URL')
  }
}

function badUrl(text: string, why: string, meant?: string): BerthError {
  const message = `could not read the store URL \`${redactUrl(text)}\`: ${why}`
  return new BerthError('object-store/bad-url', message, {
    hint:
      meant === undefined
        ? 'write `file:///path` or `s3://bucket/prefix?endpoint=…&region=…`'
        : `did you mean \`${redactUrl(meant)}\`?`,
  })
}

function suggestUrl(text: string): string | undefined {
  const amazon = suggestAmazon(text)
  if (amazon !== undefined) return amazon
  const web = /^https?:\/\/([^/?]+)\/([^?]+)/i.exec(text)
  if (web) return `s3://${web[2]}?endpoint=${text.slice(0, text.indexOf(':'))}://${web[1]}`
  const s3 = /^s3[a-z]?[:;]?\/{0,3}(?=[^/])/i.exec(text)
  if (s3 && /[:/]/.test(s3[0])) return `s3://${text.slice(s3[0].length)}`
  const file = /^file:?\/{0,3}/i.exec(text)
  if (file && /[:/]/.test(file[0])) return `file:///${text.slice(file[0].length)}`
  if (text.startsWith('/')) return `file://${text}`
  const [, scheme = ''] = /^([a-z0-9]+):\/\//i.exec(text) ?? []
  const known = suggest(scheme.toLowerCase(), ['s3', 'file'])
  return known && `${known}://${text.slice(scheme.length + 3)}`
}

/** Amazon's own addresses have the bucket in the host, or in the path, and need no endpoint. */
function suggestAmazon(text: string): string | undefined {
  const [, host, region = '', path = ''] =
    /^https?:\/\/(?:([^/?]+)\.)?s3(?:[.-]([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com(?:\/([^?]*))?/i.exec(
      text,
    ) ?? []
  const place = [host, path].filter(Boolean).join('/')
  if (place === '') return undefined
  return `s3://${place}${region === '' ? '' : `?region=${region}`}`
}

function suggestEndpoint(bucket: string, path: string): string | undefined {
  const [, name, rest = ''] = /^\/([^/]+)(.*)$/.exec(path) ?? []
  return /:\d+$/.test(bucket) && name ? `s3://${name}${rest}?endpoint=http://${bucket}` : undefined
}

/** Hides what could be a secret: user information, and the values of options that we don't know. */
function redactUrl(text: string): string {
  return text
    .replaceAll(/\/\/[^/?]*@/g, '//…@')
    .replaceAll(/([?&])([^=&]*)=([^&]*)/g, (whole, start: string, key: string) =>
      queryKeys.includes(key) ? whole : `${start}${key}=…`,
    )
}
