import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTemporaryDirectory } from './testing/tree.ts'
import { asideName, isHalfMadeCopy, isTemporaryName, temporaryName } from './temporary.ts'

test('gives half-made copies names that are recognised, also of long and dotted names', () => {
  for (const name of ['venv', '.cache', 'a.berth-copy-b', 'x'.repeat(255), 'é'.repeat(127)]) {
    const temporary = temporaryName(`/data/${name}`, 'copy')
    expect(temporary.startsWith('/data/.')).toBe(true)
    expect(Buffer.byteLength(basename(temporary))).toBeLessThanOrEqual(255)
    expect(isHalfMadeCopy(basename(temporary))).toBe(true)
    expect(isHalfMadeCopy(basename(temporary), name)).toBe(true)
    expect(isHalfMadeCopy(basename(temporary), 'other')).toBe(false)
    expect(isTemporaryName(basename(temporary))).toBe(true)
  }
})

test.each([
  'venv',
  '.venv',
  '.berth',
  'venv.berth-copy-1',
  'venv.berth-aside-20260101T000000Z',
  '.berth-copy-x',
])('calls %s neither half-made nor temporary', (name) => {
  expect(isHalfMadeCopy(name)).toBe(false)
  expect(isTemporaryName(name)).toBe(name === '.berth-copy-x')
})

test('finds a free name to set something aside', async () => {
  const venv = join(makeTemporaryDirectory(), 'venv')
  const now = new Date('2026-02-03T04:05:06.789Z')
  const first = await asideName(venv, now)
  expect(first).toBe(`${venv}.berth-aside-20260203T040506Z`)
  mkdirSync(first)
  expect(await asideName(venv, now)).toBe(`${first}-2`)
  expect(isTemporaryName(basename(first))).toBe(false)
})
