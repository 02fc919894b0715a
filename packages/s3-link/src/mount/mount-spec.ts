import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { BerthError, Secret } from '@berth/core'
import {
  type Environment,
  parseStoreUrl,
  readS3Settings,
  type S3Location,
  type S3Settings,
} from '@berth/object-store'
import type { DriverName, MountCredentials, MountSpec } from '../driver/driver.ts'
import type { LinkOptions } from '../driver/link-options.ts'
import { splitOptions } from '../driver/watch-options.ts'
import { requirePlainPath } from './layout.ts'
import type { Places } from './places.ts'

export interface SpecQuestion {
  store: string
  env: Environment
  driver: DriverName
  options: LinkOptions
  places: Places
}

/**
 * Everything that mounting a store takes, from its URL and the environment; contacts nothing. Throws for a store that can't be mounted:
 * `s3-link/not-s3`, `s3-link/self-loop`, `s3-link/no-credentials`, `s3-link/bad-credentials`, `s3-link/bad-path`, and what is wrong with
 * the store's settings.
 */
export function createMountSpec({ store, env, driver, options, places }: SpecQuestion): MountSpec {
  const settings = readS3Settings(requireBucket(store, env), env)
  requirePlainPath(settings.prefix)
  const endpoint = settings.endpoint?.href.replace(/\/$/, '')
  const facts = {
    bucket: settings.bucket,
    prefix: settings.prefix,
    endpoint,
    region: settings.region,
    options,
  }
  const credentials = credentialsOf(settings)
  const key = createHash('sha256')
    .update(
      JSON.stringify({
        ...facts,
        options: splitOptions(options).mount,
        driver,
        id: credentials.accessKeyId,
      }),
    )
    .digest('hex')
    .slice(0, 12)
  return {
    ...facts,
    key,
    pathStyle: settings.pathStyle,
    provider: settings.provider.id,
    credentials,
    mountPoint: join(places.runtime, key, 'mount'),
    runtime: join(places.runtime, key, 'private'),
    cache: join(places.cache, key),
  }
}

/** Judges the store of a link by its URL and the environment alone. */
function requireBucket(store: string, env: Environment): S3Location {
  const location = parseStoreUrl(store)
  if (location.kind !== 's3') {
    throw new BerthError('s3-link/not-s3', `could not link to \`${store}\`: it is no bucket`, {
      hint: 'give `s3://bucket/prefix`; a directory needs no link into S3',
    })
  }
  if (env['RUNPOD_VOLUME_ID'] === location.bucket) {
    throw new BerthError(
      's3-link/self-loop',
      `could not link to the bucket \`${location.bucket}\`: it is this pod's own network volume`,
      {
        hint: 'what lies on the volume is in that bucket already; link to another bucket, or not at all',
      },
    )
  }
  return location
}

function credentialsOf({ credentials, bucket }: S3Settings): MountCredentials {
  if (credentials === undefined) {
    throw new BerthError(
      's3-link/no-credentials',
      `could not link to \`${bucket}\`: no keys are set`,
      {
        hint: 'set RUNPOD_S3_ACCESS_KEY and RUNPOD_S3_SECRET_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      },
    )
  }
  for (const value of Object.values(credentials)) {
    if (!/\s|\{\{|\$\{|^your[_-]|^<.*>$/i.test(value)) continue
    throw new BerthError(
      's3-link/bad-credentials',
      `could not link to \`${bucket}\`: one of the keys is a placeholder, or holds a space`,
      { hint: 'set the keys again, without quotes and line ends' },
    )
  }
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  return {
    accessKeyId,
    secretAccessKey: new Secret(secretAccessKey),
    ...(sessionToken === undefined ? {} : { sessionToken: new Secret(sessionToken) }),
  }
}
