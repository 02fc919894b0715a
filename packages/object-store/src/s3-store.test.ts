import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, test, afterEach } from 'vitest'
import { compareKeys } from './key.ts'
import { openStore } from './open-store.ts'
import type { ObjectStore } from './store.ts'
import {
  missingS3Server,
  startS3Server,
  startStubS3,
  testObjectStore,
  type StubS3,
} from './testing.ts'

const quick = { initialDelayMs: 5, maxDelayMs: 20 }
const missing = missingS3Server()
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

testObjectStore('our stub', async () => opened(await startStubS3({ pageSize: 3 })))
testObjectStore('a real S3 server', async () => opened(await startS3Server()), missing)

type AnyServer = Pick<StubS3, 'url' | 'endpoint' | 'bucket' | 'env' | 'close'>

const servers: [string, () => Promise<AnyServer>, string | undefined][] = [
  ['our stub', startStubS3, undefined],
  ['a real S3 server', startS3Server, missing],
]

describe.for(servers)('%s', ([, start, reason]) => {
  test('refuses wrong keys, and the error says which variables to check', async ({ skip }) => {
    skip(reason !== undefined, reason)
    const { url, env } = await started(start)
    const wrongs = [
      { ...env, AWS_SECRET_ACCESS_KEY: 'wrong-secret-value' },
      { ...env, AWS_ACCESS_KEY_ID: 'wrong-id-value' },
    ]
    for (const wrong of wrongs) {
      const store = await openStore(url, { env: wrong, patience: quick })
      const calls = [
        () => store.get('a'),
        () => store.head('a'),
        () => store.put('a', Buffer.from('x')),
        () => store.remove(['a', 'b']),
        () => store.supportsConditionalWrites(),
        () => keysOf(store),
      ]
      for (const call of calls) {
        const error = await errorOf(call)
        expect(error).toMatchObject({
          code: 'object-store/bad-credentials',
          hint: expect.stringMatching(/AWS_SECRET_ACCESS_KEY.*this machine's clock/),
        })
        expect(everythingOf(error)).not.toMatch(/wrong-secret-value|wrong-id-value/)
      }
    }
  })

  test('says when the bucket is missing, whatever was asked', async ({ skip }) => {
    skip(reason !== undefined, reason)
    const { endpoint, env } = await started(start)
    const url = `s3://no-such-bucket/p?endpoint=${endpoint}`
    const calls = [
      async () => (await openStore(url, { env })).get('a'),
      async () => (await openStore(url, { env })).head('a'),
      async () => (await openStore(url, { env })).put('a', Buffer.from('x')),
      async () => (await openStore(url, { env })).put('a', Buffer.from('x'), { ifAbsent: true }),
      async () => (await openStore(url, { env })).remove(['a', 'b']),
      async () => keysOf(await openStore(url, { env })),
    ]
    for (const call of calls) {
      expect(await errorOf(call)).toMatchObject({
        code: 'object-store/no-such-bucket',
        message: expect.stringContaining('s3://no-such-bucket/p'),
        hint: expect.stringContaining('`no-such-bucket`'),
      })
    }
  })

  test('removes more than a thousand objects in one call', async ({ skip }) => {
    skip(reason !== undefined, reason)
    const { url, env } = await started(start)
    const store = await openStore(url, { env })
    const keys = Array.from(
      { length: 1100 },
      (_, index) => `many/${String(index).padStart(4, '0')}`,
    )
    await Promise.all(keys.map((key) => store.put(key, Buffer.from('x'))))
    const listed = await keysOf(store, 'many/')
    expect(listed).toEqual(keys)
    await store.remove(keys)
    expect(await keysOf(store)).toEqual([])
  })

  test('takes a whole bucket as a store', async ({ skip }) => {
    skip(reason !== undefined, reason)
    const { endpoint, bucket, env } = await started(start)
    const store = await openStore(`s3://${bucket}?endpoint=${endpoint}`, { env })
    await store.put('top', Buffer.from('x'))
    expect(await keysOf(store)).toEqual(['top'])
    expect((await store.get('top'))?.toString()).toBe('x')
  })
})

test('storage class, session token and customer key go with every request that takes them', async () => {
  const stub = await started(startStubS3)
  const key = Buffer.alloc(32, 7).toString('base64')
  const env = { ...stub.env, AWS_SESSION_TOKEN: 'a-session', BERTH_SSE_C_KEY: key }
  const store = await openStore(`${stub.url}&storage-class=STANDARD_IA`, { env })
  await store.put('a', Buffer.from('x'))
  expect(stub.objects.get('pods/a')?.headers).toMatchObject({
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-security-token': 'a-session',
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key,
  })
  expect(stub.objects.get('pods/a')?.headers).not.toHaveProperty('x-amz-checksum-crc32')
  expect((await store.get('a'))?.toString()).toBe('x')
  expect(await store.head('a')).toMatchObject({ size: 1 })
  const without = await openStore(stub.url, { env: stub.env })
  expect(await errorOf(() => without.get('a'))).toMatchObject({ code: 'object-store/refused' })
})

const ignorant: [string, () => Promise<AnyServer>, string | undefined][] = [
  ['our stub', () => startStubS3({ ignoresCustomerKeys: true }), undefined],
  ['a real S3 server', startS3Server, missing],
]
test.for(ignorant)(
  'a customer key that the server ignores is said (%s)',
  async ([, start, reason], { skip }) => {
    skip(reason !== undefined, reason)
    const server = await started(start)
    const env = { ...server.env, BERTH_SSE_C_KEY: Buffer.alloc(32, 7).toString('base64') }
    const store = await openStore(server.url, { env })
    expect(await errorOf(() => store.put('a', Buffer.from('x')))).toMatchObject({
      code: 'object-store/not-encrypted',
      message: expect.stringMatching(/: the server ignored the customer key \(SSE-C\)$/),
    })
  },
)

test('a service that keeps objects as files says when a name is taken', async ({ skip }) => {
  skip(missing !== undefined, missing)
  const server = await started(startS3Server)
  const store = await openStore(server.url, { env: server.env })
  await store.put('a', Buffer.from('x'))
  expect(await errorOf(() => store.put('a/b', Buffer.from('x')))).toMatchObject({
    code: 'object-store/not-a-directory',
  })
})

test('nothing is read from the environment of the process', async () => {
  const stub = await started(startStubS3)
  process.env['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:1'
  process.env['AWS_REGION'] = 'from-process'
  try {
    const store = await openStore(stub.url, { env: stub.env })
    expect(await store.get('a')).toBeUndefined()
  } finally {
    delete process.env['AWS_ENDPOINT_URL']
    delete process.env['AWS_REGION']
  }
})

test('a server that is down is named with its endpoint, after a few tries', async () => {
  const endpoint = `http://127.0.0.1:${await unusedPort()}`
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  const store = await openStore(`s3://art?endpoint=${endpoint}`, { env, patience: quick })
  const error = await errorOf(() => store.get('a'))
  expect(error).toMatchObject({
    code: 'object-store/unreachable',
    message: `could not read \`a\` in s3://art?endpoint=${endpoint}: ${endpoint}: connection refused (ECONNREFUSED) (4 tries)`,
    hint: `check the endpoint ${endpoint} and that this machine can reach it`,
  })
})

test('a host without a name is unreachable', async () => {
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  const url = 's3://art?endpoint=http://no-such-host.invalid'
  const store = await openStore(url, { env, patience: quick })
  expect(await errorOf(() => store.put('a', Buffer.from('x')))).toMatchObject({
    code: 'object-store/unreachable',
    hint: expect.stringContaining('http://no-such-host.invalid'),
  })
})

test('a server that speaks no TLS is named as such, without tries', async () => {
  const stub = await started(startStubS3)
  const url = `s3://art?endpoint=${stub.endpoint.replace('http:', 'https:')}`
  const store = await openStore(url, { env: stub.env, patience: quick })
  expect(await errorOf(() => store.get('a'))).toMatchObject({
    code: 'object-store/unreachable',
    hint: expect.stringContaining('http or https'),
  })
})

test('a server that accepts and says nothing is given up after the stall time', async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => void server.close())
  const { port } = server.address() as AddressInfo
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  const patience = { ...quick, stallMs: 100, attempts: 2 }
  const store = await openStore(`s3://art?endpoint=http://127.0.0.1:${port}`, { env, patience })
  expect(await errorOf(() => store.get('a'))).toMatchObject({
    code: 'object-store/server-error',
    message: expect.stringMatching(/\(2 tries\)$/),
  })
})

test('a listing goes on beyond a thousand keys of a real server', async ({ skip }) => {
  skip(missing !== undefined, missing)
  const server = await started(startS3Server)
  const names = Array.from({ length: 1100 }, (_, index) => `a +&ü${index}`).toSorted(compareKeys)
  const store = await openStore(server.url, { env: server.env })
  await Promise.all(names.map((name) => store.put(`many/${name}`, Buffer.from('x'))))
  const before = server.requests.length
  expect(await keysOf(store, 'many/')).toEqual(names.map((name) => `many/${name}`))
  expect(server.requests.slice(before).map(({ status }) => status)).toEqual([200, 200])
})

test('an object that the provider does not take at once is refused before it is sent', async () => {
  const env = {
    RUNPOD_S3_ENDPOINT: 'https://s3api-eu-ro-1.runpod.io',
    RUNPOD_S3_ACCESS_KEY: 'id',
    RUNPOD_S3_SECRET_KEY: 'secret',
  }
  const store = await openStore('s3://volume1', { env })
  const body = { byteLength: 500_000_001 } as Uint8Array
  expect(await errorOf(() => store.put('a', body))).toMatchObject({
    code: 'object-store/too-big',
    message: expect.stringContaining('RunPod takes at most 500000000 bytes at once'),
  })
})

async function opened(server: AnyServer): ReturnType<Parameters<typeof testObjectStore>[1]> {
  const store = await openStore(server.url, { env: server.env })
  return {
    store,
    close: async () => {
      await store.close()
      await server.close()
    },
  }
}

async function started<Server extends AnyServer>(start: () => Promise<Server>): Promise<Server> {
  const server = await start()
  closing.push(() => server.close())
  return server
}

async function keysOf(store: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}

async function errorOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('it succeeded')
}

/** All that a report could print of an error. */
function everythingOf(error: unknown): string {
  const { message, hint, stack, cause } = error as Error & { hint?: string }
  return JSON.stringify([message, hint, stack, cause, String(cause)])
}

async function unusedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

test.for(servers)(
  'a body is signed by the hash that is known of it, and refused when it has another (%s)',
  async ([, start, reason], { skip }) => {
    skip(reason !== undefined, reason)
    const server = await started(start)
    const store = await openStore(server.url, { env: server.env })
    const body = Buffer.from('chunk')
    const sha256 = createHash('sha256').update(body).digest('hex')
    expect(await store.put('right', body, { ifAbsent: true, sha256 })).toBe('written')
    expect((await store.get('right'))?.toString()).toBe('chunk')
    // It is sent again, as if it had been damaged on the way.
    const signal = AbortSignal.timeout(300)
    await expect(store.put('wrong', Buffer.from('other'), { sha256, signal })).rejects.toThrow()
    expect(await store.get('wrong')).toBeUndefined()
  },
)
