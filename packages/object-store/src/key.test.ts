import { property, string, assert, tuple } from 'fast-check'
import { expect, test } from 'vitest'
import { checkKey, checkPrefix, compareKeys, isReserved } from './key.ts'

test('an accepted key stays below the root, whatever it holds', () => {
  assert(
    property(string({ unit: 'binary', maxLength: 20 }), (key) => {
      try {
        checkKey(key)
      } catch {
        return
      }
      const { pathname } = new URL(`file:///root/${encodeURIComponent(key).replaceAll('%2F', '/')}`)
      expect(decodeURIComponent(pathname)).toBe(`/root/${key}`)
    }),
  )
})

test('keys are in the order of their UTF-8 bytes', () => {
  assert(
    property(tuple(string({ unit: 'binary' }), string({ unit: 'binary' })), ([left, right]) => {
      const expected = Buffer.compare(Buffer.from(left), Buffer.from(right))
      expect(compareKeys(left, right)).toBe(expected)
    }),
  )
  expect(['a/b', '🐙', 'a.txt', 'ｚ'].toSorted(compareKeys)).toEqual(['a.txt', 'a/b', 'ｚ', '🐙'])
})

test('a prefix may be empty, a part of a name, or end with a slash', () => {
  for (const prefix of ['', 'a', 'a/', 'a/b']) expect(() => checkPrefix(prefix)).not.toThrow()
  for (const prefix of ['/', '../', 'a//']) expect(() => checkPrefix(prefix)).toThrow('the key `')
})

test('a long key is shortened in the message, and control characters are not printed', () => {
  expect(() => checkKey(`/${'a'.repeat(200)}`)).toThrow(/^the key `\/a{118}…` starts with a slash$/)
  expect(() => checkKey('/\u001b[31m')).toThrow('the key `/\u{fffd}[31m` starts with a slash')
  expect(() => checkKey('x'.repeat(1025))).toThrow('is longer than 1024 bytes')
})

test('only what lies below the reserved name is reserved', () => {
  expect(isReserved('.berth-tmp/x')).toBe(true)
  expect(isReserved('.berth-tmp')).toBe(true)
  expect(isReserved('.berth-tmpx')).toBe(false)
  expect(isReserved('a/.berth-tmp/x')).toBe(false)
})
