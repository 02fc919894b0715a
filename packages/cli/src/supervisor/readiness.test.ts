import { createServer } from 'node:http'
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type ReadyFacts, untilReady } from './readiness.ts'

const nothing: ReadyFacts = {
  http: undefined,
  tcp: undefined,
  file: undefined,
  timeoutMs: undefined,
}

async function portOf(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return (server.address() as AddressInfo).port
}

/** Whether it is ready, or late first: its timeout is short. */
async function isReady(ready: Partial<ReadyFacts>): Promise<boolean> {
  const ending = new AbortController()
  const late = () => ending.abort()
  return untilReady({ ...nothing, timeoutMs: 300, ...ready }, { signal: ending.signal, late })
}

test.each([
  [200, true],
  [204, true],
  [302, true],
  [399, true],
  [404, false],
  [503, false],
])('takes an HTTP status of %i for %s', async (status, expected) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host}`)
    response.writeHead(status).end('x'.repeat(100_000))
  })
  const port = await portOf(server)
  expect(await isReady({ http: `http://127.0.0.1:${port}/ready?deep=1` })).toBe(expected)
  expect(asked[0]).toBe(`GET /ready?deep=1 127.0.0.1:${port}`)
})

test('takes what is no HTTP, says nothing, or is no URL for not ready', async () => {
  const babbling = await portOf(
    createPlainServer((socket) => socket.resume().end('hello\n'.repeat(100))),
  )
  const silent = createPlainServer((socket) =>
    socket
      .resume()
      .on('error', () => {})
      .end(),
  )
  expect(await isReady({ http: `http://127.0.0.1:${babbling}/` })).toBe(false)
  expect(await isReady({ http: `http://127.0.0.1:${await portOf(silent)}/` })).toBe(false)
  expect(await isReady({ http: 'nonsense' })).toBe(false)
})

test('asks for connections and for files, until they are there', async () => {
  const port = await portOf(createPlainServer((socket) => socket.resume().end()))
  expect(await isReady({ tcp: `127.0.0.1:${port}` })).toBe(true)
  expect(await isReady({ tcp: 'no-address' })).toBe(false)
  const file = join(await temporaryDirectory(), 'ready')
  setTimeout(() => writeFileSync(file, ''), 150)
  const signal = new AbortController().signal
  expect(await untilReady({ ...nothing, file }, { signal, late: () => {} })).toBe(true)
})

test.each([
  ['answers with 503', 'its URL answers with 503'],
  ['is silent', 'its URL does not answer'],
  ['is no URL', '`ready.http` is no URL that begins with `http://` or `https://`'],
  ['takes no connection', 'its address takes no connection'],
])('says of what %s why it is late', async (kind, expected) => {
  const server = createServer((_, response) => response.writeHead(503).end())
  const port = await portOf(server)
  const closed = createPlainServer()
  const silent = await portOf(closed)
  await new Promise<void>((resolve) => closed.close(() => resolve()))
  const asked: Record<string, Partial<ReadyFacts>> = {
    'answers with 503': { http: `http://127.0.0.1:${port}/` },
    'is silent': { http: `http://127.0.0.1:${silent}/` },
    'is no URL': { http: `localhost:${port}` },
    'takes no connection': { tcp: `127.0.0.1:${silent}` },
  }
  const ending = new AbortController()
  const reasons: string[] = []
  const late = (why: string) => {
    reasons.push(why)
    ending.abort()
  }
  await untilReady({ ...nothing, timeoutMs: 1, ...asked[kind] }, { signal: ending.signal, late })
  expect(reasons).toEqual([expected])
})

test('says once that it is late, and goes on asking', async () => {
  const file = join(await temporaryDirectory(), 'ready')
  const signal = new AbortController().signal
  const reasons: string[] = []
  const late = (why: string) => {
    reasons.push(why)
    setTimeout(() => writeFileSync(file, ''), 300)
  }
  expect(await untilReady({ ...nothing, file, timeoutMs: 50 }, { signal, late })).toBe(true)
  expect(reasons).toEqual(['its file is not there'])
})
