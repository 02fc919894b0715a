import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { restoreTree, saveTree, verifyArchive } from '../index.ts'
import { storedKeys, watchStore } from '../snapshots/store-testing.ts'
import { describeTree, makeTree, newDirectory, tick } from '../testing.ts'

const PACKAGE = 'lib/python3.11/site-packages/alpha'

async function setUp() {
  const base = newDirectory()
  const directory = join(base, 'pod', 'venv')
  mkdirSync(directory, { recursive: true })
  makeTree(directory)
  const read: string[] = []
  const requests = { before: (_what: string): void => {} }
  const root = join(base, 'store')
  const store = watchStore(await openStore(`file://${root}`, { env: {} }), async (what) => {
    read.push(what)
    requests.before(what)
  })
  const name = 'test/venv'
  await saveTree({ store, name, directory })
  tick()
  const change = (path: string, edit: (path: string) => void) => edit(join(directory, path))
  const save = async () => {
    read.length = 0
    return saveTree({ store, name, directory })
  }
  const restored = async () => {
    const copy = join(base, `copy-${Math.random()}`)
    await restoreTree({ store, name, directory: copy })
    return describeTree(copy)
  }
  const hashesRead = () => read.filter((what) => /^get .*\.hashes$/.test(what))
  return { directory, store, name, root, change, save, restored, hashesRead, requests }
}

test('saves edits of a few small files without a look at what the archive holds', async () => {
  const { directory, store, name, change, save, restored, hashesRead } = await setUp()
  change(`${PACKAGE}/m3.py`, (path) => appendFileSync(path, '# more\n'))
  change(`${PACKAGE}/m0.py`, (path) => writeFileSync(path, 'no longer empty\n'))
  change(`${PACKAGE}/m5.py`, (path) => truncateSync(path, 0))
  change('bin/private', (path) => chmodSync(path, 0o640))
  change('bin/tool', (path) => appendFileSync(path, 'echo again\n'))
  change('empty', (path) => utimesSync(path, 1_450_000_000, 1_450_000_000))
  expect(await save()).toMatchObject({ result: 'saved', generation: 2, deleted: 0 })
  expect(await restored()).toEqual(describeTree(directory))
  expect(await verifyArchive({ store, name })).toMatchObject({ snapshots: 2, problems: [] })
  tick()
  expect(await save()).toMatchObject({ result: 'unchanged', generation: 2 })
  change(`${PACKAGE}/m3.py`, (path) => appendFileSync(path, '# even more\n'))
  expect(await save()).toMatchObject({ result: 'saved', generation: 3, changed: 1 })
  expect(hashesRead()).toEqual([])
  expect(await restored()).toEqual(describeTree(directory))
})

test('reads a file whose size and mtime are the same, and sends nothing for the same content', async () => {
  const { directory, root, change, save, restored } = await setUp()
  const rewrite = (with_: (content: Buffer) => Buffer) => (path: string) => {
    const { atimeMs, mtimeMs } = statSync(path)
    writeFileSync(path, with_(readFileSync(path)))
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
  }
  const before = storedKeys(root)
  change(`${PACKAGE}/m7.py`, (path) => rewrite((content) => content)(path))
  expect(await save()).toMatchObject({ result: 'unchanged', generation: 1 })
  expect(storedKeys(root)).toEqual(before)
  tick()
  change(`${PACKAGE}/m7.py`, (path) => rewrite((content) => content.fill('x'))(path))
  expect(await save()).toMatchObject({ result: 'saved', changed: 1 })
  expect(await restored()).toEqual(describeTree(directory))
})

test('knows the content again of larger files that changed places', async () => {
  const { directory, change, save, restored } = await setUp()
  const [one, two] = [`${PACKAGE}/one.bin`, `${PACKAGE}/two.bin`]
  for (const path of [one, two]) change(path, (at) => writeFileSync(at, randomBytes(100_000)))
  await save()
  tick()
  change(one, (at) => renameSync(at, `${at}.moved`))
  change(two, (at) => renameSync(at, join(directory, one)))
  change(`${one}.moved`, (at) => renameSync(at, join(directory, two)))
  for (const path of [one, two]) change(path, (at) => utimesSync(at, 1_500_000_000, 1_500_000_000))
  expect(await save()).toMatchObject({ result: 'saved', changed: 0, uploadedChunks: 0 })
  expect(await restored()).toEqual(describeTree(directory))
})

test('drops the chunks that no file uses any more', async () => {
  const { directory, store, name, change, save, restored } = await setUp()
  change('lib/big.so', (path) => truncateSync(path, 100))
  expect(await save()).toMatchObject({ result: 'saved', changed: 1 })
  change('lib/huge.bin', (path) => writeFileSync(path, 'short'))
  expect(await save()).toMatchObject({ result: 'saved', changed: 1 })
  expect(await restored()).toEqual(describeTree(directory))
  expect(await verifyArchive({ store, name })).toMatchObject({ snapshots: 3, problems: [] })
})

test('saves all the same when a file goes away before it is read', async () => {
  const { directory, change, save, restored, requests } = await setUp()
  change(`${PACKAGE}/m9.py`, (path) => appendFileSync(path, '# more\n'))
  change(`${PACKAGE}/m8.py`, (path) => appendFileSync(path, '# more\n'))
  requests.before = (what) => {
    // Behind the scan, before the content.
    if (what === 'list prune/') rmSync(join(directory, `${PACKAGE}/m9.py`), { force: true })
  }
  expect(await save()).toMatchObject({ result: 'saved', generation: 2, changed: 1 })
  const names = (lines: string[]) => lines.filter((line) => !line.includes(' directory '))
  expect(names(await restored())).toEqual(names(describeTree(directory)))
})
