import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { FilePart, FileStore } from './file-store.ts'
import { openFileStore } from './open-file-store.ts'
import { missingS3Server, startS3Server, startStubS3, type S3Server } from './testing.ts'

const missing = missingS3Server()
const mebibyte = 1024 * 1024

describe('files in a real bucket', () => {
  let server: S3Server
  let files: FileStore
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  beforeAll(async () => {
    if (missing !== undefined) return
    server = await startS3Server()
    files = await openFileStore(server.url, { env: server.env })
  })
  afterAll(async () => {
    if (missing !== undefined) return
    await files.close()
    await server.close()
  })

  const put = (
    key: string,
    body: Buffer,
    condition: Parameters<FileStore['put']>[2]['condition'],
  ) => files.put(key, body, { condition, metadata: { 'berth-token': 'one' }, sha256: sha256(body) })

  test('an object has the metadata and the MD5 of the file', async () => {
    const body = randomBytes(3 * mebibyte)
    const written = await put('a b/ü.png', body, { absent: true })
    expect(written).toEqual({ etag: md5(body), sha256: sha256(body) })
    expect(await files.head('a b/ü.png')).toEqual({
      key: 'a b/ü.png',
      size: body.length,
      etag: md5(body),
      modifiedAt: expect.any(Number),
      metadata: { 'berth-token': 'one' },
    })
    expect(await files.objects.get('a b/ü.png')).toEqual(body)
    expect(await files.head('none')).toBeUndefined()
  })

  test('nothing is written where the condition is not met', async () => {
    const [first, second] = [Buffer.from('first'), Buffer.from('second')]
    const written = await put('once', first, { absent: true })
    expect(await put('once', second, { absent: true })).toBe('changed')
    expect(await put('once', second, { etag: md5(second) })).toBe('changed')
    expect(await put('never', second, { etag: md5(second) })).toBe('changed')
    expect(await files.objects.get('once')).toEqual(first)
    expect(await files.objects.get('never')).toBeUndefined()
    expect(await put('once', second, written as { etag: string })).toMatchObject({
      etag: md5(second),
    })
    expect(await files.objects.get('once')).toEqual(second)
  })

  test('the server refuses a body that is not the one whose SHA-256 was given', async () => {
    const body = Buffer.from('what was read')
    const hasty = await openFileStore(server.url, { env: server.env, patience: { attempts: 1 } })
    const attempt = hasty.put('wrong', Buffer.from('what was sent'), {
      condition: { absent: true },
      metadata: {},
      sha256: sha256(body),
    })
    await expect(attempt).rejects.toThrow(/could not write `wrong`/)
    expect(await files.head('wrong')).toBeUndefined()
    await hasty.close()
  })

  test('another process goes on with the parts that have arrived', async () => {
    const parts = [randomBytes(5 * mebibyte), randomBytes(5 * mebibyte), randomBytes(1000)]
    const uploadId = await files.createUpload('big/file', { metadata: { 'berth-token': 'two' } })
    const first = await files.putPart({ key: 'big/file', uploadId, number: 1 }, parts[0] as Buffer)
    expect(first).toBe(md5(parts[0] as Buffer))

    const other = await openFileStore(server.url, { env: server.env })
    expect(await other.listUploads('big/')).toEqual([
      { key: 'big/file', uploadId, startedAt: expect.any(Number) },
    ])
    expect(await other.listParts('big/file', uploadId)).toEqual([
      { number: 1, size: 5 * mebibyte, etag: first },
    ])
    for (const number of [3, 2])
      await other.putPart({ key: 'big/file', uploadId, number }, parts[number - 1] as Buffer)
    expect(await other.head('big/file')).toBeUndefined()
    const arrived = (await other.listParts('big/file', uploadId)) as FilePart[]
    expect(arrived.map(({ number }) => number)).toEqual([1, 2, 3])
    const upload = { key: 'big/file', uploadId, parts: arrived }
    expect(await other.completeUpload(upload, { condition: { absent: true } })).toEqual({
      etag: expect.stringMatching(/-3$/),
    })
    expect((await other.head('big/file'))?.metadata).toEqual({ 'berth-token': 'two' })
    expect(await other.objects.get('big/file')).toEqual(Buffer.concat(parts))
    await other.close()
  })

  test('a finished upload leaves an object alone that someone else has put meanwhile', async () => {
    const uploadId = await files.createUpload('taken', { metadata: {} })
    const body = randomBytes(100)
    const etag = (await files.putPart({ key: 'taken', uploadId, number: 1 }, body)) as string
    await put('taken', Buffer.from('theirs'), { absent: true })
    const upload = { key: 'taken', uploadId, parts: [{ number: 1, size: 100, etag }] }
    expect(await files.completeUpload(upload, { condition: { absent: true } })).toBe('changed')
    expect((await files.objects.get('taken'))?.toString()).toBe('theirs')
    await files.abortUpload('taken', uploadId)
  })

  test('an aborted upload is gone', async () => {
    const uploadId = await files.createUpload('aborted', { metadata: {} })
    await files.abortUpload('aborted', uploadId)
    await files.abortUpload('aborted', uploadId)
    expect(await files.listParts('aborted', uploadId)).toBeUndefined()
    expect(
      await files.putPart({ key: 'aborted', uploadId, number: 1 }, Buffer.from('x')),
    ).toBeUndefined()
    expect(await files.listUploads('')).toEqual([])
  })
})

test('a server that says nothing is given up after the stall time, and asked again', async () => {
  const stub = await startStubS3()
  const files = await openFileStore(stub.url, {
    env: stub.env,
    patience: { attempts: 2, stallMs: 300, initialDelayMs: 1 },
  })
  onTestFinished(async () => {
    await files.close()
    await stub.close()
  })
  const body = Buffer.from('x')
  const write = { condition: { absent: true }, metadata: {}, sha256: sha256(body) } as const
  await files.put('first', body, write)
  stub.fault({ kind: 'stall', key: /second/, times: 1 })
  expect(await files.put('second', body, write)).toMatchObject({ etag: md5(body) })
})

test('a lost answer, a storm and a clock that is off are made up for', async () => {
  const stub = await startStubS3({ skewMs: 3_600_000 })
  const files = await openFileStore(stub.url, {
    env: stub.env,
    patience: { attempts: 6, initialDelayMs: 1 },
  })
  onTestFinished(async () => {
    await files.close()
    await stub.close()
  })
  const body = Buffer.from('x')
  const write = { condition: { absent: true }, metadata: {}, sha256: sha256(body) } as const
  expect(await files.put('first', body, write)).toEqual({ etag: md5(body) })
  stub.fault({ kind: 'lose-answer', method: 'PUT', key: /second/, times: 1 })
  // Ours or another's: whoever put it proves which.
  expect(await files.put('second', body, write)).toBe('changed')
  stub.fault({ kind: { status: 503, code: 'SlowDown' }, key: /third/, times: 3 })
  expect(await files.put('third', body, write)).toEqual({ etag: md5(body) })
  stub.fault({ kind: 'error-in-200', method: 'HEAD', key: /third/, times: 1 })
  expect(await files.head('third')).toMatchObject({ size: 1, etag: md5(body) })
})

test('a directory is no bucket', async () => {
  await expect(openFileStore('file:///data', { env: {} })).rejects.toMatchObject({
    code: 'object-store/bad-url',
  })
})

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
