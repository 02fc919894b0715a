import { expect, test } from 'vitest'
import { conflictKey, keyOf } from './key.ts'

test.for([
  ['a/b.png', 'a/b.png'],
  ['ü 日本 🐙/x+y&z#.png', 'ü 日本 🐙/x+y&z#.png'],
  ['.hidden', '.hidden'],
  ['line\nbreak.txt', /^line_break~[0-9a-f]{8}\.txt$/],
  [Buffer.from([0x61, 0xff, 0x2e, 0x62]), /^a_~[0-9a-f]{8}\.b$/],
] as const)('the key of %s', ([path, expected]) => {
  const key = keyOf(Buffer.from(path as string))
  if (typeof expected === 'string') expect(key).toBe(expected)
  else expect(key).toMatch(expected)
})

test('names that differ in bytes that no key can hold have different keys', () => {
  const keys = [0xfe, 0xff].map((byte) => keyOf(Buffer.from([0x61, byte])))
  expect(new Set(keys).size).toBe(2)
})

test('a long path is cut between characters, and leaves room for the name of a conflict', () => {
  for (const letter of ['a', 'ü', '🐙']) {
    const path = Buffer.from(`${`${letter.repeat(40)}/`.repeat(30)}pic.png`)
    const key = keyOf(path, 900)
    expect(key.isWellFormed()).toBe(true)
    expect(key).toMatch(/~[0-9a-f]{8}/)
    expect(Buffer.byteLength(conflictKey(key, 'f'.repeat(64), true))).toBeLessThanOrEqual(900)
    expect(key.split('/').every((part) => part !== '')).toBe(true)
  }
})

test('the name of a conflict has the hash before the extension', () => {
  const hash = '0123456789abcdef'.repeat(4)
  expect(conflictKey('a.b/pic_1.png', hash)).toBe('a.b/pic_1~01234567.png')
  expect(conflictKey('.env', hash)).toBe('.env~01234567')
  expect(conflictKey('plain', hash, true)).toBe(`plain~${hash}`)
})
