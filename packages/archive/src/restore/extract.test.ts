import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeAll, expect, test } from 'vitest'
import { extractPaths } from './extract.ts'
import { restoreTree } from './restore.ts'
import { saveTree } from '../save/save.ts'
import { watchStore } from '../snapshots/store-testing.ts'
import { describeTree, makeTree, newDirectory } from '../testing.ts'

const name = 'lab/venv'
const base = newDirectory()
const tree = join(base, 'pod', 'venv')

const open = () => openStore(`file://${base}/store`, { env: {} })

beforeAll(async () => {
  mkdirSync(tree, { recursive: true })
  makeTree(tree)
  await saveTree({ store: await open(), name, directory: tree })
})

let count = 0

async function extract(...paths: string[]) {
  const directory = join(base, `out-${count++}`)
  const fetched: string[] = []
  const store = watchStore(await open(), async (what) => {
    if (what.startsWith('get chunks/')) fetched.push(what)
  })
  const result = await extractPaths({ store, name, directory, paths })
  return { directory, result, fetched }
}

/** The lines of a tree's description that are of some paths. */
function linesOf(root: string, pattern: RegExp): string[] {
  return describeTree(root).filter((line) => pattern.test(line))
}

test('puts one file into a new directory, and fetches only its chunk', async () => {
  const { directory, result, fetched } = await extract('lib/big.so')
  expect(result).toMatchObject({ result: 'extracted', snapshot: '00000001', files: 1 })
  const pattern = /^\.\/lib\/big\.so /
  expect(linesOf(directory, pattern)).toEqual(linesOf(tree, pattern))
  expect(readdirSync(directory)).toEqual(['lib'])
  expect(fetched).toHaveLength(1)
})

test('puts directories with all that is in them', async () => {
  const { directory } = await extract('./lib/python3.11/', 'empty', 'bin/dangling')
  const pattern = /^\.\/(lib\/python3\.11|empty|bin\/dangling)/
  expect(linesOf(directory, pattern)).toEqual(linesOf(tree, pattern))
  expect(linesOf(directory, pattern).length).toBeGreaterThan(40)
  expect(readdirSync(join(directory, 'bin'))).toEqual(['dangling'])
})

test('keeps names of one file together, whichever of them are wanted', async () => {
  const { directory } = await extract('bin/tool-again')
  expect(linesOf(directory, /tool-again/)[0]).toContain(' 755 ')
  const both = await extract('bin/tool', 'bin/tool-again')
  expect(linesOf(both.directory, /tool/).join()).toContain(' = ./bin/tool')
})

test('names what is near where there is no such path', async () => {
  const hint = (path: string) =>
    extract(path).then(
      () => '',
      (error: { code: string; hint: string }) => `${error.code} ${error.hint}`,
    )
  expect(await hint('big.so')).toContain(
    'archive/no-such-path name a path of the tree, such as `lib/big.so`',
  )
  expect(await hint('lib/python3.11/site-packages/alpah')).toContain(
    'such as `lib/python3.11/site-packages/alpha`',
  )
  expect(await hint('lbi/huge.bin')).toMatch(/such as `lib\/huge.bin`, `lib`/)
  expect(await hint('../../etc/passwd')).toContain('archive/no-such-path')
  expect(await hint('/etc')).toContain('archive/no-such-path')
})

test('puts nothing over what is there', async () => {
  const directory = join(base, 'mine')
  mkdirSync(directory)
  writeFileSync(join(directory, 'file'), 'mine')
  const before = describeTree(directory)
  for (const place of [directory, join(directory, 'file')]) {
    await expect(
      extractPaths({ store: await open(), name, directory: place, paths: ['bin'] }),
    ).rejects.toMatchObject({ code: 'archive/existing' })
  }
  expect(describeTree(directory)).toEqual(before)
  rmSync(join(directory, 'file'))
  await extractPaths({ store: await open(), name, directory, paths: ['bin/env'] })
  expect(readdirSync(directory)).toEqual(['bin'])
})

test('leaves nothing where it fails', async () => {
  const store = watchStore(await open(), async (what) => {
    if (what.startsWith('get chunks/')) throw new Error('cut')
  })
  const directory = join(base, 'failed', 'out')
  await expect(extractPaths({ store, name, directory, paths: ['lib'] })).rejects.toThrow('cut')
  expect(readdirSync(join(base, 'failed'))).toEqual([])
  expect(existsSync(directory)).toBe(false)
})

test('is no restore: a later one puts the whole tree there', async () => {
  const { directory } = await extract('bin/env')
  await restoreTree({ store: await open(), name, directory })
  expect(describeTree(directory)).toEqual(describeTree(tree))
})

test('says that an archive is not there', async () => {
  const store = await open()
  expect(
    await extractPaths({
      store,
      name: 'none',
      directory: join(base, 'none'),
      paths: ['x'],
      at: '1',
    }),
  ).toEqual({ result: 'absent' })
})
