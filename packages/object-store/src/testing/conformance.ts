import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isBerthError } from '@berth/core/error'
import type { ObjectStore } from '../store.ts'
import { keysOf, listing } from './listing.ts'
import { type Clause, streaming } from './streaming.ts'

export interface OpenedStore {
  store: ObjectStore
  close: () => Promise<void>
}

/**
 * Tests that a driver keeps the contract of `ObjectStore`. `open` gives an empty store that honours conditional writes; with a
 * `missing` reason, as from `missingS3Server`, every test is skipped with it.
 */
export function testObjectStore(
  name: string,
  open: () => Promise<OpenedStore>,
  missing?: string,
): void {
  describe(`${name} keeps the contract of a store`, () => {
    let opened: OpenedStore
    beforeAll(async () => {
      if (missing === undefined) opened = await open()
    })
    afterAll(async () => {
      if (missing === undefined) await opened.close()
    })
    test.for(contract)('$title', async ({ check }, { skip }) => {
      skip(missing !== undefined, missing)
      expect.hasAssertions()
      await check(opened.store)
    })
  })
}

const objects: readonly Clause[] = [
  {
    title: 'an empty store has nothing',
    check: async (store) => {
      expect(await keysOf(store, '')).toEqual([])
      expect(await store.get('none/here')).toBeUndefined()
      expect(await store.head('none/here')).toBeUndefined()
      await store.remove(['none/here', 'none/there'])
    },
  },

  {
    title: 'an object comes back as it was put, under names of every kind',
    check: async (store) => {
      const names = [
        'plain',
        'with space/a+b&c#d?e%41',
        'ünï/日本/🐙',
        '.hidden/..dots',
        'q\'uo"te',
      ]
      for (const name of names) {
        const key = `objects/${name}`
        expect(await store.put(key, Buffer.from(name))).toBe('written')
        expect((await store.get(key))?.toString()).toBe(name)
        expect(await store.head(key)).toMatchObject({ key, size: Buffer.byteLength(name) })
      }
      expect(await keysOf(store, 'objects/')).toEqual(
        names
          .map((name) => `objects/${name}`)
          .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
    },
  },

  {
    title: 'an empty object is an object',
    check: async (store) => {
      await store.put('empty', Buffer.alloc(0))
      expect(await store.get('empty')).toEqual(Buffer.alloc(0))
      expect(await store.get('empty', { range: { start: 0, end: 9 } })).toEqual(Buffer.alloc(0))
      expect((await store.head('empty'))?.size).toBe(0)
    },
  },

  {
    title: 'a put replaces the object and its time',
    check: async (store) => {
      const started = Date.now()
      await store.put('replaced', Buffer.from('first'))
      await store.put('replaced', Buffer.from('the second'))
      const found = await store.head('replaced')
      expect(found?.size).toBe(10)
      // S3 tells whole seconds.
      expect(Math.abs((found?.modifiedAt ?? 0) - started)).toBeLessThan(5000)
      expect((await store.get('replaced'))?.toString()).toBe('the second')
    },
  },

  {
    title: 'megabytes come back whole, many at once',
    check: async (store) => {
      const bodies = Array.from({ length: 8 }, (_, index) =>
        pattern(3 * 1024 * 1024 + index, index),
      )
      await Promise.all(bodies.map((body, index) => store.put(`big/${index}`, body)))
      const read = await Promise.all(bodies.map((_, index) => store.get(`big/${index}`)))
      expect(read.every((body, index) => body?.equals(bodies[index] ?? Buffer.alloc(0)))).toBe(true)
    },
  },

  {
    title: 'a range is cut at the end of the object',
    check: async (store) => {
      await store.put('ranged', Buffer.from('0123456789'))
      const read = async (start: number, end: number): Promise<string | undefined> =>
        (await store.get('ranged', { range: { start, end } }))?.toString()
      expect(await read(0, 10)).toBe('0123456789')
      expect(await read(2, 5)).toBe('234')
      expect(await read(8, 99)).toBe('89')
      expect(await read(10, 20)).toBe('')
      expect(await read(4, 4)).toBe('')
      expect(await store.get('no-such', { range: { start: 0, end: 1 } })).toBeUndefined()
      expect(await store.get('no-such', { range: { start: 1, end: 1 } })).toBeUndefined()
    },
  },

  {
    title: 'the bytes that were put may be changed afterwards',
    check: async (store) => {
      const body = Buffer.from('before')
      await store.put('copied', body)
      body.fill('x')
      expect((await store.get('copied'))?.toString()).toBe('before')
    },
  },

  {
    title: 'removed objects are gone, and the others are not',
    check: async (store) => {
      const keys = ['gone/a', 'gone/b&<c>', 'gone/d e', 'gone/kept']
      await Promise.all(keys.map((key) => store.put(key, Buffer.from(key))))
      await store.remove([...keys.slice(0, 3), 'gone/never-there'])
      expect(await keysOf(store, 'gone/')).toEqual(['gone/kept'])
      await store.remove(['gone/kept'])
      await store.remove([])
      expect(await store.get('gone/kept')).toBeUndefined()
    },
  },
]

const conditionalWrites: readonly Clause[] = [
  {
    title: 'a conditional put leaves an existing object alone',
    check: async (store) => {
      expect(await store.supportsConditionalWrites()).toBe(true)
      expect(await store.put('once', Buffer.from('first'), { ifAbsent: true })).toBe('written')
      expect(await store.put('once', Buffer.from('second'), { ifAbsent: true })).toBe('exists')
      expect((await store.get('once'))?.toString()).toBe('first')
    },
  },

  {
    title: 'of many conditional puts at once, one wins',
    check: async (store) => {
      const bodies = Array.from({ length: 12 }, (_, index) => Buffer.from(`writer ${index}`))
      const results = await Promise.all(
        bodies.map((body) => store.put('race', body, { ifAbsent: true })),
      )
      expect(results.filter((result) => result === 'written')).toHaveLength(1)
      const winner = bodies[results.indexOf('written')]
      expect(await store.get('race')).toEqual(winner)
    },
  },

  {
    title: 'the probe leaves nothing behind',
    check: async (store) => {
      await store.supportsConditionalWrites()
      expect((await keysOf(store, '')).filter((key) => key.startsWith('.berth'))).toEqual([])
    },
  },
]

const refusals: readonly Clause[] = [
  {
    title: 'a key that is no clean relative path is refused',
    check: async (store) => {
      const keys = ['', '/a', 'a/', 'a//b', './a', 'a/../b', '..', 'a\0b', '.berth-tmp/x', '\ud800']
      for (const key of keys) {
        const calls = [
          store.get(key),
          store.put(key, Buffer.from('x')),
          store.head(key),
          store.remove([key]),
        ]
        for (const call of calls) {
          const error = await call.then(
            () => undefined,
            (thrown: unknown) => thrown,
          )
          expect(isBerthError(error, 'object-store/bad-key'), `${key}: ${String(error)}`).toBe(true)
        }
      }
      await expect(keysOf(store, '../etc')).rejects.toMatchObject({ code: 'object-store/bad-key' })
    },
  },

  {
    title: 'an aborted signal stops every method with its reason',
    check: async (store) => {
      const reason = new Error('stopped by the test')
      const signal = AbortSignal.abort(reason)
      await expect(store.get('any', { signal })).rejects.toBe(reason)
      await expect(store.head('any', { signal })).rejects.toBe(reason)
      await expect(store.put('any', Buffer.from('x'), { signal })).rejects.toBe(reason)
      await expect(store.remove(['any'], { signal })).rejects.toBe(reason)
      await expect(keysOf(store, '', { signal })).rejects.toBe(reason)
      expect(await store.get('any')).toBeUndefined()
    },
  },
]

const contract = [...objects, ...streaming, ...conditionalWrites, ...listing, ...refusals]

function pattern(size: number, seed: number): Buffer {
  const block = Array.from(
    { length: 65_521 },
    (_, index) => (index * 31 + (index >> 8) + seed) & 0xff,
  )
  return Buffer.alloc(size, Buffer.from(block))
}
