import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LeanClient } from './lean-client.ts'
import { openStore } from './open-store.ts'
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
  await answer?.receive((bytes) => (text += bytes))
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
    'a chunked body',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n',
  ],
  [
    'a compressed body',
    'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nxxxxx',
  ],
  ['a body of unknown length', 'HTTP/1.1 200 OK\r\n\r\nxxxxx'],
  ['an error', 'HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno'],
  ['a redirect', 'HTTP/1.1 307 Temporary Redirect\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n'],
  ['another protocol', 'SSH-2.0-OpenSSH\r\n\r\n'],
])('%s is left to the full client', async (_what, answer) => {
  const server = await serve([answer])
  const client = new LeanClient(patience)
  expect(await read(client, server.origin)).toBeUndefined()
  client.close()
  server.close()
})

test('an empty body is a body', async () => {
  const server = await serve(['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'])
  const client = new LeanClient(patience)
  expect(await read(client, server.origin)).toBe('')
  client.close()
  server.close()
})
