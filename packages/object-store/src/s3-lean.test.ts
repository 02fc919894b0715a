import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LeanClient } from './lean-client.ts'
import { openStore } from './open-store.ts'
import { createS3Client, signGetObject } from './s3-client.ts'
import { signRequest } from './s3-signature.ts'
import { defaultPatience } from './patience.ts'
import { parseStoreUrl } from './location.ts'
import { readS3Settings, type S3Settings } from './settings.ts'
import type { ObjectStore } from './store.ts'
import { type FaultKind, type StubS3, startStubS3 } from './testing.ts'

const body = Buffer.alloc(300_000, 'the bytes of a large object, ')
let stub: StubS3
let store: ObjectStore

beforeAll(async () => {
  stub = await startStubS3()
  store = await openStore(stub.url, {
    env: stub.env,
    patience: { stallMs: 700, initialDelayMs: 5, maxDelayMs: 20 },
  })
  await store.put('large', body)
})

afterAll(async () => {
  await store.close()
  await stub.close()
})

const faults: [string, FaultKind][] = [
  ['a reset before the headers', 'reset'],
  ['a reset in the body', 'reset-mid-body'],
  ['a body that ends early', 'short-body'],
  ['a stall', 'stall'],
  ['a slow drip', 'slow'],
  ['a lost answer', 'lose-answer'],
  ['an error with status 200', 'error-in-200'],
  ['a 500', { status: 500 }],
  ['a 503 SlowDown', { status: 503, code: 'SlowDown' }],
]

test.each(faults)('a bulk read survives %s, twice', async (_what, kind) => {
  stub.clearFaults()
  stub.fault({ kind, method: 'GET', key: /large$/, times: 2 })
  expect((await store.get('large', { bulk: true }))?.equals(body)).toBe(true)
})

test('a bulk read gives memory that threads share, ranges, and nothing for what is missing', async () => {
  stub.clearFaults()
  expect((await store.get('large', { bulk: true }))?.buffer).toBeInstanceOf(SharedArrayBuffer)
  expect(await store.get('large', { bulk: true, range: { start: 10, end: 20 } })).toEqual(
    Buffer.from(body.subarray(10, 20)),
  )
  expect(await store.get('missing', { bulk: true })).toBeUndefined()
})

test('a bulk read stops when its signal aborts', async () => {
  stub.clearFaults()
  stub.fault({ kind: 'stall', method: 'GET', key: /large$/, times: 1 })
  const cancel = new AbortController()
  const reading = store.get('large', { bulk: true, signal: cancel.signal })
  await sleep(100)
  cancel.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
})

/** A server that answers each connection's requests with these texts, then closes it. */
async function serve(
  answers: string[],
): Promise<{ origin: URL; connections: () => number; close: () => void }> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    let next = 0
    socket.on('data', () => {
      const answer = answers[next++]
      if (answer === undefined) socket.destroy()
      else socket.write(answer)
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: new URL(`http://127.0.0.1:${port}`),
    connections: () => connections,
    close: () => server.close(),
  }
}

async function read(client: LeanClient, origin: URL): Promise<string | undefined> {
  const answer = await client.get({
    origin,
    path: '/x',
    headers: { host: origin.host },
    signal: undefined,
  })
  let text = ''
  await answer?.receive((bytes) => {
    text += bytes
  })
  return answer === undefined ? undefined : text
}

const patience = { connectMs: 1000, stallMs: 1000 }

test('a connection is kept and used again, and a kept one that the server closed costs nothing but a new one', async () => {
  const server = await serve([
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst',
    'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond',
  ])
  const client = new LeanClient(patience)
  expect([
    await read(client, server.origin),
    await read(client, server.origin),
    server.connections(),
  ]).toEqual(['first', 'second', 1])
  expect([await read(client, server.origin), server.connections()]).toEqual(['first', 2])
  client.close()
  server.close()
})

test.each([
  [
    'a compressed body',
    'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxxxxx',
  ],
  ['a body of unknown length', 'HTTP/1.1 200 OK\r\n\r\nxxxxx'],
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
])('%s is left to the full client', async (_what, answer) => {
  const server = await serve([answer])
  const client = new LeanClient(patience)
  expect(await read(client, server.origin)).toBeUndefined()
  client.close()
  server.close()
})

test('a body in chunks is put together, however it is cut, and its connection is used again', async () => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const server = await serve([
    `${head}5;x=y\r\nfirst\r\nB\r\n and after \r\n0\r\nTrailer: z\r\n\r\n`,
    `${head}6\r\nsecond\r\n0\r\n\r\n`,
  ])
  const client = new LeanClient(patience)
  expect(await read(client, server.origin)).toBe('first and after ')
  expect([await read(client, server.origin), server.connections()]).toEqual(['second', 1])
  client.close()
  server.close()
})

test.each(['xyz\r\nfirst', '5\r\nfirst!\r\n0\r\n\r\n', '5\nfirst\n0\n\n'])(
  'what is no body in chunks is none: %j',
  async (text) => {
    const server = await serve([`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`])
    const client = new LeanClient(patience)
    await expect(read(client, server.origin)).rejects.toMatchObject({
      code: 'HPE_INVALID_CHUNK_SIZE',
    })
    client.close()
    server.close()
  },
)

test('an empty body is a body', async () => {
  const server = await serve(['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'])
  const client = new LeanClient(patience)
  expect(await read(client, server.origin)).toBe('')
  client.close()
  server.close()
})

test('connections that were opened ahead carry the first requests', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst'
  const server = await serve([answer])
  const client = new LeanClient(patience)
  client.connect(server.origin, 3)
  const reads = [1, 2, 3].map(() => read(client, server.origin))
  expect(await Promise.all(reads)).toEqual(['first', 'first', 'first'])
  expect(server.connections()).toBe(3)
  client.close()
  server.close()
})

test('a body waits until its sink is ready, and that is no stall', async () => {
  stub.clearFaults()
  const before = stub.requests.length
  const pieces: Buffer[] = []
  await store.stream('large', async (bytes) => {
    if (pieces.length === 0) await sleep(1500)
    pieces.push(Buffer.from(bytes))
  })
  expect(Buffer.concat(pieces).equals(body)).toBe(true)
  expect(stub.requests).toHaveLength(before + 1)
})

test.each(faults)(
  'a stream survives %s, twice, and passes nothing on twice',
  async (_what, kind) => {
    stub.clearFaults()
    stub.fault({ kind, method: 'GET', key: /large$/, times: 2 })
    const pieces: Buffer[] = []
    const sink = (bytes: Buffer): void => void pieces.push(Buffer.from(bytes))
    expect(await store.stream('large', sink)).toBe(body.length)
    expect(Buffer.concat(pieces).equals(body)).toBe(true)
  },
)

const urls = [
  's3://pods?endpoint=http://127.0.0.1:9000',
  's3://pods/below/here?endpoint=https://s3.example.com/base&region=eu-central-1',
  's3://pods?endpoint=https://s3.example.com&path-style=false',
]

test.each(urls)('signs as the SDK does: %s', async (url) => {
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'se/cret', AWS_SESSION_TOKEN: 't' }
  const location = parseStoreUrl(url)
  if (location.kind !== 's3') throw new Error('not a bucket')
  const settings = readS3Settings(location, env)
  const sdk = createS3Client(settings, defaultPatience)
  for (const key of ['plain/key', "with space/a+b&c#d?e%41'(1)*!~", 'ünï/日本']) {
    const input = { Bucket: settings.bucket, Key: key, Range: 'bytes=5-9', IfMatch: '"tag"' }
    const theirs = await signGetObject(sdk, input)
    const ours = await signAs(settings, key, theirs.headers)
    expect(ours?.origin.href).toBe(theirs.origin.href)
    expect(ours?.path).toBe(theirs.path.replace(/\?.*$/, ''))
    expect(ours?.headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/.*\/s3\/aws4_request, /,
    )
  }
  sdk.destroy()
})

async function signAs(settings: S3Settings, key: string, { 'x-amz-date': time = '' }) {
  const iso = time.replace(/(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\d)Z/, '$1-$2-$3:$4:$5Z')
  const headers = { range: 'bytes=5-9', 'if-match': '"tag"' }
  return signRequest(settings, { key, headers }, new Date(iso))
}

test('leaves to the SDK what only that knows how to sign', () => {
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  const sign = (url: string, more: Record<string, string> = {}) => {
    const location = parseStoreUrl(url)
    if (location.kind !== 's3') throw new Error('not a bucket')
    const settings = readS3Settings(location, { ...env, ...more })
    return signRequest(settings, { key: 'a', headers: {} }, new Date(0))
  }
  expect(sign('s3://pods?region=eu-central-1')).toBeUndefined()
  expect(sign('s3://dotted.name?endpoint=https://s3.example.com&path-style=false')).toBeUndefined()
  const customerKey = { BERTH_SSE_C_KEY: Buffer.alloc(32).toString('base64') }
  expect(sign('s3://pods?endpoint=https://s3.example.com', customerKey)).toBeUndefined()
})
