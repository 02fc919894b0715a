import { BerthError } from '@berth/core/error'
import { parseEndpoint } from './endpoint.ts'
import type { S3Location } from './location.ts'
import { defaultRegion, findProvider, type ProviderProfile } from './providers.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Everything that a connection to S3 needs, from the URL and the environment. */
export interface S3Settings {
  bucket: string
  prefix: string
  endpoint: URL | undefined
  region: string
  /** Absent: the SDK looks in shared files, the container and the instance. */
  credentials: S3Credentials | undefined
  /** The section of the shared files. */
  profile: string | undefined
  provider: ProviderProfile
  pathStyle: boolean
  storageClass: string | undefined
  /** 32 bytes, base64. */
  customerKey: string | undefined
  pool: number
}

export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** Names of the environment variables that hold credentials, for a step's `reads`. */
export const storeSecrets: readonly string[] = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'RUNPOD_S3_ACCESS_KEY',
  'RUNPOD_S3_SECRET_KEY',
  'BERTH_SSE_C_KEY',
]

const defaultPool = 32

/** The store that the environment names: `BERTH_STORE`, else the bucket in `RUNPOD_S3_BUCKET`. */
export function defaultStoreUrl(env: Environment): string | undefined {
  const bucket = valueOf(env, 'RUNPOD_S3_BUCKET')
  return valueOf(env, 'BERTH_STORE') ?? (bucket === undefined ? undefined : `s3://${bucket}`)
}

/** Completes a location from the environment; contacts nothing. Throws when a key pair is half set. */
export function readS3Settings(location: S3Location, env: Environment): S3Settings {
  const source = usesRunPod(location, env) ? readRunPod(location, env) : readAws(env)
  const endpoint = location.endpoint ?? source.endpoint
  const provider = findProvider(endpoint)
  return {
    bucket: location.bucket,
    prefix: location.prefix,
    endpoint,
    region: location.region ?? source.region ?? defaultRegion(provider, endpoint),
    credentials: source.credentials,
    profile: source.profile,
    provider,
    pathStyle: location.pathStyle ?? provider.pathStyle,
    storageClass: location.storageClass,
    customerKey: readCustomerKey(env),
    pool: location.pool ?? defaultPool,
  }
}

interface SettingsSource {
  endpoint: URL | undefined
  region: string | undefined
  credentials: S3Credentials | undefined
  profile: string | undefined
}

function usesRunPod(location: S3Location, env: Environment): boolean {
  const isSet = ['RUNPOD_S3_ACCESS_KEY', 'RUNPOD_S3_SECRET_KEY'].some((name) => valueOf(env, name))
  if (!isSet) return false
  if (location.endpoint) {
    if (findProvider(location.endpoint).id === 'runpod') return true
    const runPodEndpoint = valueOf(env, 'RUNPOD_S3_ENDPOINT')
    if (runPodEndpoint && URL.canParse(runPodEndpoint)) {
      if (new URL(runPodEndpoint).host === location.endpoint.host) return true
    }
  } else if (location.bucket === valueOf(env, 'RUNPOD_S3_BUCKET')) {
    return true
  }
  return !['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'].some((name) =>
    valueOf(env, name),
  )
}

function readRunPod(location: S3Location, env: Environment): SettingsSource {
  const name = 'RUNPOD_S3_ENDPOINT'
  const text = valueOf(env, name)
  const region = valueOf(env, 'RUNPOD_S3_REGION')
  const derived =
    region === undefined ? undefined : `https://s3api-${region.toLowerCase()}.runpod.io`
  if (!location.endpoint && text === undefined && derived === undefined) {
    throw new BerthError(
      'object-store/missing-endpoint',
      'could not reach RunPod storage: RUNPOD_S3_ACCESS_KEY is set, but RUNPOD_S3_ENDPOINT is not',
      { hint: 'set RUNPOD_S3_ENDPOINT, for example to `https://s3api-eu-ro-1.runpod.io`' },
    )
  }
  return {
    endpoint: parseEndpoint(text ?? derived, name),
    region,
    credentials: readPair(env, 'RUNPOD_S3_ACCESS_KEY', 'RUNPOD_S3_SECRET_KEY'),
    profile: undefined,
  }
}

function readAws(env: Environment): SettingsSource {
  const name = valueOf(env, 'AWS_ENDPOINT_URL_S3') ? 'AWS_ENDPOINT_URL_S3' : 'AWS_ENDPOINT_URL'
  const credentials = readPair(env, 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY')
  const sessionToken = valueOf(env, 'AWS_SESSION_TOKEN')
  return {
    endpoint: parseEndpoint(valueOf(env, name), name),
    region: valueOf(env, 'AWS_REGION') ?? valueOf(env, 'AWS_DEFAULT_REGION'),
    credentials: credentials && sessionToken ? { ...credentials, sessionToken } : credentials,
    profile: valueOf(env, 'AWS_PROFILE'),
  }
}

function readPair(env: Environment, idName: string, secretName: string): S3Credentials | undefined {
  const accessKeyId = valueOf(env, idName)
  const secretAccessKey = valueOf(env, secretName)
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey }
  }
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined
  const [set, missing] = accessKeyId === undefined ? [secretName, idName] : [idName, secretName]
  throw new BerthError(
    'object-store/half-set-credentials',
    `could not use the S3 credentials: ${set} is set, but ${missing} is not`,
    { hint: `set ${missing}, or unset ${set}` },
  )
}

function readCustomerKey(env: Environment): string | undefined {
  const key = valueOf(env, 'BERTH_SSE_C_KEY')
  if (key === undefined) return undefined
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length === 32 && bytes.toString('base64') === key) return key
  throw new BerthError(
    'object-store/bad-sse-key',
    'could not use BERTH_SSE_C_KEY: it is not 32 bytes in base64',
    { hint: 'make one with `openssl rand -base64 32`, and keep it: objects are lost without it' },
  )
}

/** Empty counts as unset, as everywhere in Berth. */
function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim()
  return value === '' ? undefined : value
}
