import { createHash, randomBytes } from 'node:crypto'
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { openFileStore, type FileStore } from '@berth/object-store'
import { startStubS3, type S3Server } from '@berth/object-store/testing'
import { isProvenByAnswer } from './prove.ts'
import { givenRealBucket } from '../testing/real-bucket.ts'
import { sendFile, type SendRequest, type SendResult, type SentFile } from './send-file.ts'

describe('a file that is sent', () => {
  let server: S3Server
  let store: FileStore
  givenRealBucket((bucket) => ({ server, store } = bucket))

  const send = (path: string, more: Partial<SendRequest> & { key: string }): Promise<SendResult> =>
    sendFile({ store, path: Buffer.from(path), saveUpload: async () => undefined, ...more })

  const makeFile = async (body: Buffer | string): Promise<string> => {
    const path = join(await temporaryDirectory(), 'file.bin')
    await writeFile(path, body)
    return path
  }

  test('carries what proves it, and is not sent twice', async () => {
    const path = await makeFile('words')
    const sent = (await send(path, { key: 'words' })) as SentFile
    expect(sent).toMatchObject({
      key: 'words',
      isConflict: false,
      bytes: 5,
      sha256: sha256('words'),
    })
    const found = await store.head('words')
    expect(found?.metadata).toMatchObject({ 'berth-sha256': sha256('words') })
    expect(found?.etag).toBe(sent.etag)
    expect(await send(path, { key: 'words' })).toMatchObject({ key: 'words', bytes: 0 })
  })

  test('is not taken for an object that has other bytes and kept the metadata', async () => {
    const path = await makeFile('mine')
    await send(path, { key: 'stale' })
    const { metadata = {} } = (await store.head('stale')) ?? {}
    await store.put('stale', Buffer.from('ours'), {
      condition: { etag: (await store.head('stale'))?.etag ?? '' },
      metadata,
      sha256: sha256('ours'),
    })
    const key = `stale~${sha256('mine').slice(0, 8)}`
    expect(await send(path, { key: 'stale' })).toMatchObject({ key, isConflict: true })
    expect((await store.objects.get('stale'))?.toString()).toBe('ours')
  })

  test('is found again in an object of equal bytes, however that was cut into parts', async () => {
    const body = randomBytes(20_000_000)
    const path = await makeFile(body)
    const uploadId = await store.createUpload('cut', { metadata: {} })
    const parts = []
    for (const [number, end] of [
      [1, 6_000_000],
      [2, 20_000_000],
    ] as const) {
      const bytes = body.subarray(number === 1 ? 0 : 6_000_000, end)
      const etag = (await store.putPart({ key: 'cut', uploadId, number }, bytes)) ?? ''
      parts.push({ number, size: bytes.length, etag })
    }
    await store.completeUpload({ key: 'cut', uploadId, parts }, { condition: { absent: true } })
    expect(await send(path, { key: 'cut' })).toMatchObject({ key: 'cut', bytes: 0 })

    expect(await send(path, { key: 'own' })).toMatchObject({ key: 'own', bytes: 20_000_000 })
    const before = server.requests.length
    expect(await send(path, { key: 'own' })).toMatchObject({ key: 'own', bytes: 0 })
    expect(server.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD'])
  })

  test('takes the place of what it was, only while that is still there', async () => {
    const path = await makeFile('one')
    const first = (await send(path, { key: 'version' })) as SentFile
    await writeFile(path, 'two')
    const second = (await send(path, { key: 'version', known: () => first })) as SentFile
    expect(second).toMatchObject({ key: 'version', isConflict: false })
    await store.objects.put('version', Buffer.from('theirs'))
    await writeFile(path, 'three')
    const third = (await send(path, { key: 'version', known: () => second })) as SentFile
    expect(third).toMatchObject({ isConflict: true })
    expect((await store.objects.get(third.key))?.toString()).toBe('three')
    expect((await store.objects.get('version'))?.toString()).toBe('theirs')
  })

  test('is no link, folder or FIFO, and what is gone is told', async () => {
    const folder = await temporaryDirectory()
    await writeFile(join(folder, 'real'), 'x')
    await symlink('real', join(folder, 'link'))
    await mkdir(join(folder, 'folder'))
    for (const name of ['none', 'link', 'folder'])
      expect(await send(join(folder, name), { key: name })).toBe('gone')
    await rm(join(folder, 'real'))
    expect(await send(join(folder, 'real'), { key: 'real' })).toBe('gone')
    expect(await store.head('real')).toBeUndefined()
  })

  test('goes beside an object that is a folder there', async () => {
    await store.objects.put('taken/inner', Buffer.from('x'))
    const path = await makeFile('a file')
    const sent = (await send(path, { key: 'taken' })) as SentFile
    expect((await store.objects.get(sent.key))?.toString()).toBe('a file')
    expect((await store.objects.get('taken/inner'))?.toString()).toBe('x')
  })
})

test.each(['honoured', 'ignored', 'refused'] as const)(
  'is proven by the answer to one request where checksums are %s',
  async (checksums) => {
    const stub = await startStubS3({ checksums })
    onTestFinished(() => stub.close())
    const store = await openFileStore(stub.url, { env: stub.env })
    onTestFinished(() => store.close())
    const folder = await temporaryDirectory()
    const send = async (name: string): Promise<SendResult> => {
      await writeFile(join(folder, name), name)
      const path = Buffer.from(join(folder, name))
      return sendFile({ store, path, key: name, saveUpload: async () => undefined })
    }
    await send('first')
    const before = stub.requests.length
    expect(await send('second')).toMatchObject({ key: 'second', sha256: sha256('second') })
    expect(stub.requests.slice(before).map(({ method, status }) => [method, status])).toEqual([
      ['PUT', 200],
    ])
  },
)

test('an answer proves what it says of the bytes, where such answers can be relied on', () => {
  const content = { size: 1, sha256: 'aa', etag: () => 'md5' }
  const at = (etagIsMd5: boolean, written: { etag: string; sha256?: string }): boolean =>
    isProvenByAnswer({ limits: { etagIsMd5, maxParts: 1, maxPutBytes: 1 } }, written, content)
  expect(at(true, { etag: 'md5' })).toBe(true)
  expect(at(true, { etag: 'opaque', sha256: 'aa' })).toBe(true)
  expect(at(true, { etag: 'opaque' })).toBe(false)
  expect(at(true, { etag: 'opaque', sha256: 'bb' })).toBe(false)
  expect(at(true, { etag: '', sha256: 'aa' })).toBe(false)
  expect(at(false, { etag: 'md5', sha256: 'aa' })).toBe(false)
})

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
