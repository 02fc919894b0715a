import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { listSnapshots, restoreTree, saveTree, verifyArchive } from '../index.ts'
import { checkArchiveName } from './name.ts'
import { newDirectory } from '../testing.ts'

test.each(['venv', 'comfyui/venv', 'a/.cache', 'with space/ü', '..a/b@c'])(
  'accepts `%s`',
  (name) => {
    expect(() => checkArchiveName(name)).not.toThrow()
  },
)

test.each([
  ['', 'it has an empty part'],
  ['/a', 'it begins with a slash'],
  ['a/', 'it has an empty part'],
  ['a//b', 'it has an empty part'],
  ['../a', 'it has the part `..`'],
  ['a/./b', 'it has the part `.`'],
  ['a/@/b', 'it has the part `@`'],
  ['a\nb', 'it holds characters that are no text'],
  ['a\u{d800}', 'it holds characters that are no text'],
  ['a'.repeat(513), 'it is longer than 512 bytes'],
])('refuses %j', (name, why) => {
  expect(() => checkArchiveName(name)).toThrow(
    expect.objectContaining({ code: 'archive/bad-name', message: expect.stringContaining(why) }),
  )
})

test('a name that can’t be one is refused before anything is written or marked', async () => {
  const base = newDirectory()
  const directory = join(base, 'tree')
  mkdirSync(directory)
  const store = await openStore(`file://${base}/store`, { env: {} })
  const name = '../tree'
  const refused = { code: 'archive/bad-name' }
  await expect(saveTree({ store, name, directory })).rejects.toMatchObject(refused)
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject(refused)
  await expect(verifyArchive({ store, name })).rejects.toMatchObject(refused)
  await expect(listSnapshots(store, name)).rejects.toMatchObject(refused)
  expect(readdirSync(base)).toEqual(['tree'])
})

test('a store inside the tree is refused, also through a link', async () => {
  const base = newDirectory()
  const directory = join(base, 'tree')
  mkdirSync(join(directory, 'store'), { recursive: true })
  writeFileSync(join(directory, 'file'), 'x')
  symlinkSync(join(directory, 'store'), join(base, 'link'))
  const name = 'tree'
  const refused = { code: 'archive/store-inside' }
  for (const place of [`${directory}/store`, `${directory}/new`, directory, `${base}/link`]) {
    const store = await openStore(`file://${place}`, { env: {} })
    await expect(saveTree({ store, name, directory })).rejects.toMatchObject(refused)
    await expect(restoreTree({ store, name, directory })).rejects.toMatchObject(refused)
  }
  expect(readdirSync(base).toSorted()).toEqual(['link', 'tree'])
  const store = await openStore(`file://${directory}-store`, { env: {} })
  await expect(saveTree({ store, name, directory })).resolves.toMatchObject({ result: 'saved' })
})
