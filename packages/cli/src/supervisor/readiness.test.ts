import { createServer } from 'node:http'
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type ReadyFacts, untilReady, whyReadyMisleads } from './readiness.ts'

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
  ['is no URL', '`ready.http` is `nonsense`, no URL that begins with `http://` or `https://`'],
  [
    'has no such port',
    '`ready.http` is `http://127.0.0.1:918431/`, and there is no port 918431: the last is 65535',
  ],
  ['is no address', '`ready.tcp` is `nonsense`, which is no `host:port`'],
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
    'is no URL': { http: 'nonsense' },
    'has no such port': { http: 'http://127.0.0.1:918431/' },
    'is no address': { tcp: 'nonsense' },
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

test('warns, before main starts, of an address that another process has or that is none', async () => {
  const ask = (ready: Partial<ReadyFacts>) => whyReadyMisleads({ ...nothing, ...ready })
  const server = createPlainServer((socket) => socket.on('error', () => {}).resume())
  const port = await portOf(server)
  const said = (text: string) =>
    `\`${text}\` answers already: another process has the port, and main would count as ready at once`
  const url = `http://127.0.0.1:${port}`
  expect(await ask({ http: url })).toBe(said(url))
  expect(await ask({ tcp: `127.0.0.1:${port}` })).toBe(said(`127.0.0.1:${port}`))
  expect(await ask({ http: 'http://127.0.0.1:918431' })).toBe(
    'main will never be ready: `ready.http` is `http://127.0.0.1:918431`, and there is no port 918431: the last is 65535',
  )
  expect(await ask({ tcp: '127.0.0.1:918431' })).toContain('main will never be ready: `ready.tcp`')
  await new Promise<void>((resolve) => server.close(() => resolve()))
  expect(await ask({ http: url })).toBeUndefined()
  expect(await ask({ tcp: `127.0.0.1:${port}` })).toBeUndefined()
  expect(await ask({ file: '/' })).toBeUndefined()
})
