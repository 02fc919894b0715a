import { afterEach, expect, test } from 'vitest'
import { openStore } from './open-store.ts'
import type { ObjectStore } from './store.ts'
import { startStubS3, type FaultKind, type StubS3, type StubS3Options } from './testing.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 0xff))
const quick = { initialDelayMs: 5, maxDelayMs: 20 }

test.for<[string, FaultKind]>([
  ['an internal error', { status: 500 }],
  ['a slow-down', { status: 503, code: 'SlowDown' }],
  ['a throttle', { status: 429, code: 'TooManyRequests' }],
  ["a gateway's error page", { status: 502 }],
  ['a reset', 'reset'],
  ['a lost answer', 'lose-answer'],
])('every method survives %s', async ([, kind]) => {
  const { store, stub } = await openStub()
  await store.put('there', body)
  stub.fault({ kind, times: 3 })
  expect(await store.put('a', body)).toBe('written')
  stub.fault({ kind, times: 3 })
  expect((await store.get('a'))?.equals(body)).toBe(true)
  stub.fault({ kind, times: 3 })
  expect((await store.head('a'))?.size).toBe(body.length)
  stub.fault({ kind, times: 3 })
  expect(await keysOf(store)).toEqual(['a', 'there'])
  stub.fault({ kind, times: 3 })
  await store.remove(['a', 'b'])
  stub.clearFaults()
  expect(await keysOf(store)).toEqual(['there'])
})

test.for(['RequestTimeout', 'BadDigest', 'IncompleteBody'])(
  'a body that arrived damaged (%s) is sent again',
  async (code) => {
    const { store, stub } = await openStub()
    stub.fault({ kind: { status: 400, code }, times: 2 })
    expect(await store.put('a', body)).toBe('written')
    expect(stub.requests.map(({ status }) => status)).toEqual([400, 400, 200])
  },
)

test.for<FaultKind>(['reset-mid-body', 'short-body'])(
  'a body that ends early (%s) is continued where it ended, and only then',
  async (kind) => {
    const { store, stub } = await openStub()
    await store.put('a', body)
    stub.fault({ kind, method: 'GET', times: 3 })
    expect((await store.get('a'))?.equals(body)).toBe(true)
    const sizes = stub.requests.filter(({ method }) => method === 'GET').map(({ bytes }) => bytes)
    expect(sizes).toEqual([300_000, 150_000, 75_000, 37_500])
  },
)

test('a range that ends early is continued within the range', async () => {
  const { store, stub } = await openStub()
  await store.put('a', body)
  stub.fault({ kind: 'short-body', method: 'GET', times: 2 })
  const range = { start: 1000, end: 201_000 }
  expect((await store.get('a', { range }))?.equals(body.subarray(1000, 201_000))).toBe(true)
})

test('a transfer that moves on resets the count of tries', async () => {
  const { store, stub } = await openStub({}, { attempts: 2 })
  await store.put('a', body)
  stub.fault({ kind: 'short-body', method: 'GET', times: 10 })
  expect((await store.get('a'))?.equals(body)).toBe(true)
})

test('an object that is replaced while it is read comes back as one of the two', async () => {
  const { store, stub } = await openStub()
  await store.put('a', body)
  stub.fault({ kind: 'reset-mid-body', method: 'GET', times: 1 })
  const reading = store.get('a')
  await until(() => stub.requests.some(({ method }) => method === 'GET'))
  const other = Buffer.alloc(200_000, 'new')
  await store.put('a', other)
  const read = await reading
  expect(read?.equals(other) || read?.equals(body)).toBe(true)
})

test('a stalled body is given up after the stall time, and continued', async () => {
  const { store, stub } = await openStub({}, { stallMs: 300 })
  await store.put('a', body)
  stub.fault({ kind: 'stall', method: 'GET', times: 1 })
  const started = Date.now()
  expect((await store.get('a'))?.equals(body)).toBe(true)
  expect(Date.now() - started).toBeGreaterThanOrEqual(250)
  expect(Date.now() - started).toBeLessThan(3000)
})

test('a slow body is no stalled body', async () => {
  const { store, stub } = await openStub({}, { stallMs: 300 })
  await store.put('a', body.subarray(0, 60_000))
  stub.fault({ kind: 'slow', method: 'GET', times: 1 })
  expect((await store.get('a'))?.length).toBe(60_000)
  expect(stub.requests.filter(({ method }) => method === 'GET')).toHaveLength(1)
})

test('an error page with status 200 is no object, no listing and no write', async () => {
  const { store, stub } = await openStub()
  await store.put('a', body)
  for (const method of ['PUT', 'GET', 'HEAD', 'POST']) {
    stub.fault({ kind: 'error-in-200', method, times: 2 })
  }
  expect(await store.put('b', body)).toBe('written')
  expect(stub.objects.get('pods/b')?.body.equals(body)).toBe(true)
  expect((await store.get('a'))?.equals(body)).toBe(true)
  expect(await store.head('a')).toMatchObject({ size: body.length })
  stub.fault({ kind: 'error-in-200', query: 'list-type', times: 2 })
  expect(await keysOf(store)).toEqual(['a', 'b'])
  await store.remove(['a', 'b'])
  expect(stub.objects.size).toBe(0)
})

test('a server that never sends the right thing ends in an error, not in a short object', async () => {
  const { store, stub } = await openStub({}, { attempts: 3 })
  await store.put('a', body)
  stub.fault({ kind: 'error-in-200' })
  const error = { code: 'object-store/server-error', hint: expect.any(String) }
  await expect(store.get('a')).rejects.toMatchObject(error)
  await expect(keysOf(store)).rejects.toMatchObject(error)
  await expect(store.put('b', body)).rejects.toMatchObject(error)
})

test('tries end, and the error says how many there were', async () => {
  const { store, stub } = await openStub({}, { attempts: 3 })
  stub.fault({ kind: { status: 503, code: 'SlowDown' } })
  await expect(store.put('a', body)).rejects.toMatchObject({
    code: 'object-store/server-error',
    message: `could not write \`a\` in ${store.url}: 503 SlowDown: stub: SlowDown (3 tries)`,
  })
  expect(stub.requests).toHaveLength(3)
})

test.for([403, 400])('an answer (%i) is not retried', async (status) => {
  const { store, stub } = await openStub()
  stub.fault({ kind: { status, code: status === 403 ? 'AccessDenied' : 'InvalidArgument' } })
  await expect(store.put('a', body)).rejects.toMatchObject({
    code: status === 403 ? 'object-store/access-denied' : 'object-store/refused',
  })
  expect(stub.requests).toHaveLength(1)
})

test('a conditional put whose answer was lost knows its own write', async () => {
  const { store, stub } = await openStub()
  stub.fault({ kind: 'lose-answer', method: 'PUT', times: 1 })
  expect(await store.put('manifest', body, { ifAbsent: true })).toBe('written')
  expect(stub.requests.map(({ method, status }) => `${method} ${status}`)).toEqual([
    'PUT 0',
    'HEAD 200',
    'HEAD 200',
  ])
})

test("a conditional put whose try failed does not take another's write for its own", async () => {
  const { store, stub } = await openStub()
  await store.put('manifest', Buffer.from('from another pod'))
  await store.put('same-size', Buffer.alloc(body.length))
  stub.fault({ kind: { status: 500 }, method: 'PUT', times: 1 })
  expect(await store.put('manifest', body, { ifAbsent: true })).toBe('exists')
  stub.fault({ kind: { status: 500 }, method: 'PUT', times: 1 })
  expect(await store.put('same-size', body, { ifAbsent: true })).toBe('exists')
})

test('a conflict of conditional puts is tried again', async () => {
  const { store, stub } = await openStub()
  const kind = { status: 409, code: 'ConditionalRequestConflict' }
  stub.fault({ kind, method: 'PUT', times: 2 })
  expect(await store.put('manifest', body, { ifAbsent: true })).toBe('written')
})

test.for(['refused', 'ignored'] as const)(
  'a server where conditions are %s is found out, and writes still go round what exists',
  async (conditionalWrites) => {
    const { store, stub } = await openStub({ conditionalWrites })
    expect(await store.supportsConditionalWrites()).toBe(false)
    expect(stub.objects.size).toBe(0)
    const before = stub.requests.length
    expect(await store.supportsConditionalWrites()).toBe(false)
    expect(stub.requests).toHaveLength(before)
    expect(await store.put('a', body, { ifAbsent: true })).toBe('written')
    expect(await store.put('a', Buffer.from('second'), { ifAbsent: true })).toBe('exists')
    expect((await store.get('a'))?.equals(body)).toBe(true)
  },
)

test('a refused condition falls back without a probe', async () => {
  const { store } = await openStub({ conditionalWrites: 'refused' })
  expect(await store.put('a', body, { ifAbsent: true })).toBe('written')
  expect(await store.put('a', Buffer.from('second'), { ifAbsent: true })).toBe('exists')
  expect(await store.supportsConditionalWrites()).toBe(false)
})

test.for([3_600_000, -3_600_000])(
  'a clock that is off by %i ms is put right once',
  async (skewMs) => {
    const { store, stub } = await openStub({ skewMs })
    expect(await store.put('a', body)).toBe('written')
    expect((await store.get('a'))?.equals(body)).toBe(true)
    expect(stub.requests.map(({ status }) => status)).toEqual([403, 200, 200])
  },
)

test('the first request of a skewed clock may be a HEAD', async () => {
  const { store } = await openStub({ skewMs: 3_600_000 })
  expect(await store.head('a')).toBeUndefined()
})

test('a 403 is missing only when a listing says so', async () => {
  const { store, stub } = await openStub({ hidesMissing: true })
  expect(await store.get('a')).toBeUndefined()
  expect(await store.head('a')).toBeUndefined()
  await store.put('a', body)
  stub.fault({ kind: { status: 403 }, method: 'GET', key: 'pods/a' })
  stub.fault({ kind: { status: 403 }, method: 'HEAD' })
  await expect(store.get('a')).rejects.toMatchObject({ code: 'object-store/access-denied' })
  await expect(store.head('a')).rejects.toMatchObject({ code: 'object-store/access-denied' })
})

test('a 403 that no listing can confirm is an error', async () => {
  const { store } = await openStub({ hidesMissing: true, refusesListing: true })
  await expect(store.get('a')).rejects.toMatchObject({ code: 'object-store/access-denied' })
})

test('a 404 that is not about the object does not pass for a missing one', async () => {
  const { store, stub } = await openStub()
  await store.put('a', body)
  stub.fault({ kind: { status: 404, code: '' }, method: 'GET', key: 'pods/a' })
  await expect(store.get('a')).rejects.toMatchObject({ code: 'object-store/refused' })
  stub.clearFaults()
  stub.fault({ kind: { status: 404, code: 'NoSuchUser' } })
  await expect(store.get('a')).rejects.toMatchObject({ code: 'object-store/refused' })
})

test('a listing whose tokens lead nowhere goes on from its last key', async () => {
  const { store } = await openStub({ repeatsTokens: true, pageSize: 2 })
  const keys = ['a', 'b', 'c', 'd', 'e']
  for (const key of keys) await store.put(key, Buffer.from(key))
  expect(await keysOf(store)).toEqual(keys)
})

test('a page of a listing that is lost is fetched again, and nothing is listed twice', async () => {
  const { store, stub } = await openStub({ pageSize: 2 })
  const keys = ['a', 'b', 'c', 'd', 'e']
  for (const key of keys) await store.put(key, Buffer.from(key))
  stub.fault({ kind: 'reset-mid-body', query: 'continuation-token', times: 2 })
  expect(await keysOf(store)).toEqual(keys)
})

test('a server without ranges gives the range all the same', async () => {
  const { store } = await openStub({ ignoresRanges: true })
  await store.put('a', body)
  const range = { start: 100_000, end: 100_100 }
  expect(await store.get('a', { range })).toEqual(body.subarray(100_000, 100_100))
})

test('without DeleteObjects the keys are removed one by one', async () => {
  const { store, stub } = await openStub({ deleteObjects: 'refused' })
  const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
  for (const key of keys) await store.put(key, body)
  await store.remove(keys)
  expect(stub.objects.size).toBe(0)
  expect(stub.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(20)
})

test('a key that someone else removes at the same moment is no failure', async () => {
  const { store, stub } = await openStub({ deleteObjects: 'names-missing' })
  await store.put('a', body)
  await store.remove(['a', 'gone'])
  expect(stub.objects.size).toBe(0)
})

test('keys that could not be removed are named', async () => {
  const { store, stub } = await openStub({ deleteObjects: 'refused' })
  for (const key of ['a', 'b', 'c']) await store.put(key, body)
  stub.fault({ kind: { status: 403 }, method: 'DELETE', key: 'pods/b' })
  await expect(store.remove(['a', 'b', 'c'])).rejects.toMatchObject({
    code: 'object-store/remove-failed',
    message: expect.stringContaining('could not remove `b` from s3://stub/pods'),
  })
  expect([...stub.objects.keys()]).toEqual(['pods/b'])
})

test.for<FaultKind>(['stall', 'slow', { status: 503 }])(
  'an abort ends a request at once (%j)',
  async (kind) => {
    const { store, stub } = await openStub({}, { initialDelayMs: 60_000, maxDelayMs: 60_000 })
    await store.put('a', body)
    stub.fault({ kind, method: 'GET' })
    const controller = new AbortController()
    const reading = store.get('a', { signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 100))
    const reason = new Error('stopped by the test')
    const started = Date.now()
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
    expect(Date.now() - started).toBeLessThan(3000)
  },
)

test("the store's own signal ends what waits for a place in the pool", async () => {
  const stub = await startStubS3({ faults: [{ kind: 'stall', method: 'GET' }] })
  const controller = new AbortController()
  const store = await openStore(`${stub.url}&pool=1`, { env: stub.env, signal: controller.signal })
  closing.push(() => stub.close())
  await store.put('a', body)
  const reads = [store.get('a'), store.get('a'), store.get('a')]
  await new Promise((resolve) => setTimeout(resolve, 50))
  controller.abort(new Error('the pod ends'))
  for (const read of reads) await expect(read).rejects.toThrow('the pod ends')
})

interface Opened {
  store: ObjectStore
  stub: StubS3
}

async function openStub(options: StubS3Options = {}, patience = {}): Promise<Opened> {
  const stub = await startStubS3(options)
  const store = await openStore(stub.url, { env: stub.env, patience: { ...quick, ...patience } })
  closing.push(
    () => store.close(),
    () => stub.close(),
  )
  return { store, stub }
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1))
}
