import { expect, test } from 'vitest'
import { BerthError } from '@berth/core/error'
import { parseStoreUrl, type S3Location } from './location.ts'
import { defaultStoreUrl, readS3Settings, storeSecrets, type Environment } from './settings.ts'

const awsKeys = { AWS_ACCESS_KEY_ID: 'aws-id', AWS_SECRET_ACCESS_KEY: 'aws-secret' }
const runPodKeys = { RUNPOD_S3_ACCESS_KEY: 'rp-id', RUNPOD_S3_SECRET_KEY: 'rp-secret' }
const runPod = { ...runPodKeys, RUNPOD_S3_ENDPOINT: 'https://s3api-eu-ro-1.runpod.io/' }

test('without anything set it is Amazon, and the SDK looks for credentials', () => {
  expect(settingsOf('s3://art/p', {})).toMatchObject({
    bucket: 'art',
    prefix: 'p',
    endpoint: undefined,
    region: 'us-east-1',
    credentials: undefined,
    pathStyle: false,
    provider: { id: 'aws' },
    pool: 32,
  })
})

test('reads the AWS variables, the service-specific endpoint first', () => {
  const env = {
    ...awsKeys,
    AWS_SESSION_TOKEN: 'aws-token',
    AWS_REGION: 'eu-1',
    AWS_DEFAULT_REGION: 'eu-2',
    AWS_ENDPOINT_URL: 'https://all.example.com',
    AWS_ENDPOINT_URL_S3: 'https://s3.example.com',
    AWS_PROFILE: 'work',
  }
  expect(settingsOf('s3://art', env)).toMatchObject({
    endpoint: new URL('https://s3.example.com'),
    region: 'eu-1',
    credentials: {
      accessKeyId: 'aws-id',
      secretAccessKey: 'aws-secret',
      sessionToken: 'aws-token',
    },
    profile: 'work',
    pathStyle: true,
  })
})

test('what the URL says comes before the environment', () => {
  const env = { ...awsKeys, AWS_REGION: 'eu-1', AWS_ENDPOINT_URL: 'https://env.example.com' }
  const url = 's3://art?endpoint=https://url.example.com&region=eu-9&path-style=false&pool=4'
  expect(settingsOf(url, env)).toMatchObject({
    endpoint: new URL('https://url.example.com'),
    region: 'eu-9',
    pathStyle: false,
    pool: 4,
  })
})

test("reads RunPod's variables, and the region from the endpoint", () => {
  expect(settingsOf('s3://volume1', runPod)).toMatchObject({
    endpoint: new URL('https://s3api-eu-ro-1.runpod.io'),
    region: 'EU-RO-1',
    credentials: { accessKeyId: 'rp-id', secretAccessKey: 'rp-secret' },
    provider: { id: 'runpod', deleteObjects: false, attempts: 10 },
  })
  expect(settingsOf('s3://volume1', { ...runPod, RUNPOD_S3_REGION: 'eu-ro-1' }).region).toBe(
    'eu-ro-1',
  )
})

test.for([
  ['the default bucket', 's3://volume1', { RUNPOD_S3_BUCKET: 'volume1' }, 'rp-id'],
  ['another bucket', 's3://art', { RUNPOD_S3_BUCKET: 'volume1' }, 'aws-id'],
  ['their endpoint', 's3://art?endpoint=https://s3api-eu-ro-1.runpod.io', {}, 'rp-id'],
  ['another endpoint', 's3://art?endpoint=https://s3.example.com', {}, 'aws-id'],
] as const)('with both kinds of keys, %s decides', ([, url, extra, id]) => {
  const env = { ...awsKeys, ...runPod, ...extra }
  expect(settingsOf(url, env).credentials?.accessKeyId).toBe(id)
})

test.for([
  ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', awsKeys],
  ['AWS_SECRET_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', awsKeys],
  ['RUNPOD_S3_ACCESS_KEY', 'RUNPOD_S3_SECRET_KEY', runPod],
  ['RUNPOD_S3_SECRET_KEY', 'RUNPOD_S3_ACCESS_KEY', runPod],
] as const)('without %s, %s alone is an error that names it', ([missing, set, keys]) => {
  const env = { ...keys, [missing]: ' ' }
  const error = problemOf('s3://art', env)
  expect(error.code).toBe('object-store/half-set-credentials')
  expect(error.message).toBe(
    `could not use the S3 credentials: ${set} is set, but ${missing} is not`,
  )
  expect(error.hint).toBe(`set ${missing}, or unset ${set}`)
})

test("RunPod's keys without an endpoint are an error, unless the region or the URL gives it", () => {
  expect(problemOf('s3://volume1', runPodKeys).code).toBe('object-store/missing-endpoint')
  const { endpoint } = settingsOf('s3://volume1', { ...runPodKeys, RUNPOD_S3_REGION: 'US-KS-2' })
  expect(endpoint?.host).toBe('s3api-us-ks-2.runpod.io')
  const url = 's3://volume1?endpoint=https://s3api-us-ca-2.runpod.io'
  expect(settingsOf(url, runPodKeys).region).toBe('US-CA-2')
})

test('a wrong endpoint in the environment is named with its variable', () => {
  const error = problemOf('s3://art', { AWS_ENDPOINT_URL_S3: 'minio:9000' })
  expect(error).toMatchObject({
    code: 'object-store/bad-endpoint',
    message:
      'could not use the endpoint `minio:9000` of AWS_ENDPOINT_URL_S3: it is not an http(s) URL',
    hint: 'did you mean `http://minio:9000`?',
  })
})

test('the customer key must be 32 bytes in base64, and is never shown', () => {
  const key = Buffer.alloc(32, 7).toString('base64')
  expect(settingsOf('s3://art', { BERTH_SSE_C_KEY: key }).customerKey).toBe(key)
  const error = problemOf('s3://art', { BERTH_SSE_C_KEY: 'hunter2' })
  expect(error.code).toBe('object-store/bad-sse-key')
  expect(`${error.message} ${error.hint}`).not.toContain('hunter2')
})

test.for([
  ['https://s3.eu-west-3.amazonaws.com', 'aws', 'eu-west-3', false],
  ['https://0123.r2.cloudflarestorage.com', 'r2', 'auto', true],
  ['https://s3.us-west-004.backblazeb2.com', 'b2', 'us-west-004', true],
  ['https://s3.eu-central-2.wasabisys.com', 'wasabi', 'eu-central-2', true],
  ['https://storage.googleapis.com', 'gcs', 'auto', true],
  ['https://fra1.digitaloceanspaces.com', 'digitalocean', 'fra1', true],
  ['https://s3.fr-par.scw.cloud', 'scaleway', 'fr-par', true],
  ['https://s3.gra.io.cloud.ovh.net', 'ovh', 'gra', true],
  ['http://127.0.0.1:9000', 'unknown', 'us-east-1', true],
] as const)('knows %s as %s', ([endpoint, id, region, pathStyle]) => {
  const settings = settingsOf(`s3://art?endpoint=${endpoint}`, {})
  expect(settings).toMatchObject({ provider: { id }, region, pathStyle })
})

test("the default store is BERTH_STORE, else RunPod's bucket", () => {
  expect(defaultStoreUrl({})).toBeUndefined()
  expect(defaultStoreUrl({ RUNPOD_S3_BUCKET: 'volume1' })).toBe('s3://volume1')
  const env = { RUNPOD_S3_BUCKET: 'volume1', BERTH_STORE: 'file:///store' }
  expect(defaultStoreUrl(env)).toBe('file:///store')
})

test('every variable whose value is a credential is listed as a secret', () => {
  const settings = settingsOf('s3://art', { ...awsKeys, AWS_SESSION_TOKEN: 'token' })
  expect(Object.keys(settings.credentials ?? {})).toHaveLength(3)
  expect(storeSecrets).toEqual(
    expect.arrayContaining([...Object.keys(awsKeys), ...Object.keys(runPodKeys)]),
  )
})

function settingsOf(url: string, env: Environment): ReturnType<typeof readS3Settings> {
  return readS3Settings(parseStoreUrl(url) as S3Location, env)
}

function problemOf(url: string, env: Environment): BerthError {
  try {
    settingsOf(url, env)
  } catch (error) {
    if (error instanceof BerthError) return error
    throw error
  }
  throw new Error('the settings were accepted')
}
