import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openStore } from '../open-store.ts'
import { missingS3Server, startS3Server, startStubS3 } from '../testing.ts'

const missing = missingS3Server()

test('the proxy before the real server counts every request, with its key and its bytes', async ({
  skip,
}) => {
  skip(missing !== undefined, missing)
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const store = await openStore(server.url, { env: server.env })
  const body = Buffer.alloc(5_000_000, 'berth')
  await store.put('a b/ü', body)
  await store.put('a b/ü', Buffer.from('small'), { ifAbsent: true })
  const read = await store.get('a b/ü', { range: { start: 10, end: 4_000_010 } })
  expect(
    createHash('sha256')
      .update(read ?? '')
      .digest('hex'),
  ).toBe(createHash('sha256').update(body.subarray(0, 4_000_000)).digest('hex'))
  await store.head('none')
  await store.remove(['a b/ü'])
  expect(server.requests).toMatchObject([
    { method: 'PUT', key: 'pods/a b/ü', status: 200, bytes: 5_000_000 },
    { method: 'PUT', key: 'pods/a b/ü', status: 412, bytes: 5 },
    { method: 'GET', key: 'pods/a b/ü', status: 206, bytes: 4_000_000 },
    { method: 'HEAD', key: 'pods/none', status: 404, bytes: 0 },
    { method: 'DELETE', key: 'pods/a b/ü', status: 204, bytes: 0 },
  ])
})

test('a refusal that the server sends before it has read the body is understood', async ({
  skip,
}) => {
  skip(missing !== undefined, missing)
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const url = server.url.replace(server.endpoint, server.directEndpoint)
  const store = await openStore(url, { env: server.env })
  await store.put('a', Buffer.from('first'))
  const bodies = Array.from({ length: 8 }, (_, index) => Buffer.alloc(20_000_000, index))
  const results = await Promise.all(bodies.map((body) => store.put('a', body, { ifAbsent: true })))
  expect(new Set(results)).toEqual(new Set(['exists']))
  expect((await store.get('a'))?.toString()).toBe('first')
})

test('the real server keeps each object as a file', async ({ skip }) => {
  skip(missing !== undefined, missing)
  const server = await startS3Server()
  onTestFinished(() => server.close())
  const store = await openStore(server.url, { env: server.env })
  await store.put('a/b', Buffer.from('x'))
  expect((await readFile(join(server.directory, 'pods/a/b'))).toString()).toBe('x')
})

test('the stub refuses what was changed on the way', async () => {
  const stub = await startStubS3()
  onTestFinished(() => stub.close())
  const answer = await fetch(`${stub.endpoint}/stub/pods/a`)
  expect(answer.status).toBe(403)
  expect(await answer.text()).toContain('<Code>AccessDenied</Code>')
  expect(stub.requests).toEqual([
    { method: 'GET', key: 'pods/a', query: '', status: 403, bytes: expect.any(Number) },
  ])
})
