import { expect } from 'vitest'
import { compareKeys } from '../key.ts'
import type { ObjectInfo, ObjectStore } from '../store.ts'
import type { Clause } from './streaming.ts'

/** What the contract of a store says of listings. */
export const listing: readonly Clause[] = [
  {
    title: 'a listing is in key order, by whole prefix',
    check: async (store) => {
      const keys = ['l/a-b', 'l/a.txt', 'l/a/b', 'l/a/b/c', 'l/a0', 'l/ab', 'l/b', 'l/ｚ', 'l/🐙']
      // `l/a/b` is an object and a directory at once in S3 only.
      const usable = keys.filter((key) => key !== 'l/a/b/c')
      await Promise.all(usable.map((key) => store.put(key, Buffer.from('x'))))
      expect(await keysOf(store, 'l/')).toEqual(usable)
      expect(await keysOf(store, 'l/a')).toEqual(['l/a-b', 'l/a.txt', 'l/a/b', 'l/a0', 'l/ab'])
      expect(await keysOf(store, 'l/a/')).toEqual(['l/a/b'])
      expect(await keysOf(store, 'l/none')).toEqual([])
      expect(await keysOf(store, 'nothing/at/all')).toEqual([])
    },
  },

  {
    title: 'a listing goes on after a key, whether or not there is such an object',
    check: async (store) => {
      const keys = ['m/1/a', 'm/1/b', 'm/2', 'm/3/a', 'm/4']
      await Promise.all(keys.map((key) => store.put(key, Buffer.from('x'))))
      const after = (key: string): Promise<string[]> => keysOf(store, 'm/', { after: key })
      expect(await after('m/1/a')).toEqual(keys.slice(1))
      expect(await after('m/1')).toEqual(keys)
      expect(await after('m/1/bb')).toEqual(keys.slice(2))
      expect(await after('m/2')).toEqual(keys.slice(3))
      expect(await after('m/3/')).toEqual(keys.slice(3))
      expect(await after('m/4')).toEqual([])
      expect(await after('a')).toEqual(keys)
      expect(await after('z')).toEqual([])
    },
  },
  {
    title: 'a listing names every key as it is',
    check: async (store) => {
      const odd = ['a b', 'a+b', 'a&b', 'a<b>', 'a%41', 'a\'"b', 'a=b?c#d', 'ünï', '日本 🐙']
      const keys = odd.map((name) => `odd/${name}`).toSorted(compareKeys)
      await Promise.all(keys.map((key) => store.put(key, Buffer.from('x'))))
      expect(await keysOf(store, 'odd/')).toEqual(keys)
      for (const key of keys) expect(await keysOf(store, key)).toContain(key)
      expect(await keysOf(store, 'odd/', { after: 'odd/a&b' })).toEqual(
        keys.filter((key) => compareKeys(key, 'odd/a&b') > 0),
      )
    },
  },
  {
    title: 'a listing tells size and time, and stops when the reader does',
    check: async (store) => {
      await store.put('facts/a', Buffer.from('four'))
      await store.put('facts/b', Buffer.from(''))
      const seen: ObjectInfo[] = []
      for await (const object of store.list('facts/')) {
        seen.push(object)
        break
      }
      const found = await store.head('facts/a')
      expect(seen).toEqual([{ ...found, modifiedAt: expect.closeTo(found?.modifiedAt ?? 0, -4) }])
    },
  },
]

/** All keys with a prefix, in the order of the listing. */
export async function keysOf(
  store: ObjectStore,
  prefix: string,
  options: { signal?: AbortSignal; after?: string } = {},
): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix, options)) keys.push(key)
  return keys
}
