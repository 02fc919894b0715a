import { setTimeout as sleep } from 'node:timers/promises'
import { type ObjectStore, openStore } from '@berth/object-store'
import { type StubS3, startStubS3 } from '@berth/object-store/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ObjectFetch } from './fetch-frames.ts'
import { createFetcher } from './fetch-objects.ts'
import { FrameArena, type FrameBlock } from './frame-arena.ts'

const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 0xff))
const frames = [{ stored: 100_000 }, { stored: 1 }, { stored: 199_999 }]
const signal = new AbortController().signal
let stub: StubS3
let store: ObjectStore

beforeAll(async () => {
  stub = await startStubS3()
  store = await openStore(stub.url, { env: stub.env, patience: { stallMs: 20_000 } })
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) await store.put(key, body)
})

beforeEach(() => stub.clearFaults())

afterAll(async () => {
  await store.close()
  await stub.close()
})

function gets(): string[] {
  return stub.requests.flatMap(({ method, key }) => (method === 'GET' ? [key] : []))
}

test('hands over the frames of an object in order, byte by byte', async () => {
  const pieces: Buffer[] = []
  const onFrame = (index: number, { bytes, release }: FrameBlock): void => {
    expect(index).toBe(pieces.length)
    pieces.push(Buffer.from(bytes))
    release()
  }
  const arena = new FrameArena(250_000)
  await new ObjectFetch({ key: 'a', frames }, { store, arena, signal, onFrame }).run()
  expect(pieces.map(({ length }) => length)).toEqual(frames.map(({ stored }) => stored))
  expect(Buffer.concat(pieces).equals(body)).toBe(true)
})

test('reads on only when there is room, and says meanwhile that it is held back', async () => {
  const arena = new FrameArena(200_000)
  const blocks: FrameBlock[] = []
  const onFrame = (_: number, block: FrameBlock): void => void blocks.push(block)
  const fetch = new ObjectFetch({ key: 'a', frames }, { store, arena, signal, onFrame })
  const run = fetch.run()
  while (!fetch.isHeldBack) await sleep(5)
  expect(blocks).toHaveLength(2)
  for (const block of blocks.splice(0)) block.release()
  await run
  expect(fetch.isHeldBack).toBe(false)
  expect(blocks).toHaveLength(1)
})

test.each([
  ['shorter', [{ stored: 300_001 }], 'has 300000 bytes instead of 300001'],
  ['longer', [{ stored: 299_999 }], 'has more than 299999 bytes instead of 299999'],
  ['without a byte for its last frame', [{ stored: 300_000 }, { stored: 0 }], 'instead of 300000'],
])('an object that is %s is damaged, and named', async (_what, wrong, message) => {
  const arena = new FrameArena(400_000)
  const onFrame = (_: number, block: FrameBlock): void => block.release()
  const fetch = new ObjectFetch({ key: 'a', frames: wrong }, { store, arena, signal, onFrame })
  await expect(fetch.run()).rejects.toMatchObject({
    code: 'archive/corrupt-chunk',
    message: expect.stringContaining(message),
  })
})

test('asks a second time for the last object when its request is late; whoever is first wins', async () => {
  using fetcher = createFetcher({ store, arena: new FrameArena(1_000_000), signal })
  stub.fault({ kind: 'stall', method: 'GET', key: /f$/, times: 1 })
  const before = gets().length
  const pieces: Buffer[] = []
  const keep = async (index: number, bytes: Uint8Array): Promise<void> => {
    pieces[index] = Buffer.from(bytes)
  }
  const startedAt = performance.now()
  const others = ['a', 'b', 'c'].map((key) => fetcher.fetch({ key, frames }, async () => {}))
  await Promise.all([...others, fetcher.fetch({ key: 'f', frames }, keep)])
  expect(Buffer.concat(pieces).equals(body)).toBe(true)
  // Long before the stalled request would have been given up.
  expect(performance.now() - startedAt).toBeLessThan(4500)
  expect(
    gets()
      .slice(before)
      .filter((key) => key.endsWith('f')),
  ).toHaveLength(2)
})

test('does an object once more that was damaged on the way, and then no more', async () => {
  using fetcher = createFetcher({ store, arena: new FrameArena(1_000_000), signal })
  const damaged = Object.assign(new Error('damaged'), { code: 'archive/corrupt-chunk' })
  const { BerthError } = await import('@berth/core/error')
  const tries: boolean[] = []
  const fail = async (index: number, _bytes: Uint8Array, again: boolean): Promise<void> => {
    if (index > 0) return
    tries.push(again)
    throw new BerthError(damaged.code, damaged.message)
  }
  await expect(fetcher.fetch({ key: 'a', frames }, fail)).rejects.toThrow('damaged')
  expect(tries).toEqual([false, true])
})
