import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { findOwnTrees } from './repair-trees.ts'
import { type RepairOptions, repairArchive } from './repair.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { storedKeys } from '../snapshots/store-testing.ts'
import { describeTree, makeTree, newDirectory, tick } from '../testing.ts'
import { verifyArchive } from './verify.ts'

const name = 'lab/venv'
let base: string
let root: string
let directory: string

beforeEach(async () => {
  base = newDirectory()
  root = join(base, 'store')
  directory = join(base, 'pod', 'venv')
  mkdirSync(directory, { recursive: true })
  makeTree(directory)
  await save()
})

const open = () => openStore(`file://${root}`, { env: {} })
const chunks = () => storedKeys(root).filter((key) => key.startsWith('chunks/'))

async function save(level: 'fast' | 'normal' = 'normal') {
  tick()
  return saveTree({ store: await open(), name, directory, level })
}

async function repair(more: Partial<RepairOptions> = {}) {
  return repairArchive({ store: await open(), name, directories: [directory], ...more })
}

const verify = async () => (await verifyArchive({ store: await open(), name })).problems

/** The bytes of all chunks. */
const content = () => chunks().map((key) => [key, readFileSync(join(root, key)).toString('latin1')])

function damage(key: string): void {
  const path = join(root, key)
  const bytes = readFileSync(path)
  bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

test('builds every chunk again under its name, to the byte, missing or damaged', async () => {
  const before = content()
  expect(before.length).toBeGreaterThan(3)
  for (const [index, key] of chunks().entries()) {
    if (index % 2 === 0) rmSync(join(root, key))
    else damage(key)
  }
  const broken = storedKeys(root)
  const dry = await repair({ dryRun: true })
  expect(dry.rebuilt.toSorted()).toEqual(before.map(([key]) => key))
  expect(storedKeys(root)).toEqual(broken)

  const result = await repair()
  expect(result).toMatchObject({ rebuilt: dry.rebuilt, committed: '', lost: [] })
  expect(content()).toEqual(before)
  expect(await verify()).toEqual([])
  expect(await repair()).toMatchObject({ found: { problems: [] }, rebuilt: [] })
})

test('builds what a fast save had made', async () => {
  writeFileSync(join(directory, 'more'), 'more '.repeat(1000))
  await save('fast')
  for (const key of chunks()) rmSync(join(root, key))
  expect(await repair()).toMatchObject({ committed: '', lost: [] })
  expect(await verify()).toEqual([])
})

test('finds content by its hash, wherever it lies', async () => {
  const before = content()
  for (const key of chunks()) rmSync(join(root, key))
  const other = join(base, 'elsewhere')
  mkdirSync(other)
  renameSync(join(directory, 'lib'), join(other, 'library'))
  expect(await repair({ directories: [directory, other] })).toMatchObject({ lost: [] })
  expect(content()).toEqual(before)
})

test('takes nothing that only has the size', async () => {
  const before = await verify()
  expect(before).toEqual([])
  const path = join(directory, 'lib/python3.11/site-packages/beta/data.bin')
  writeFileSync(path, Buffer.alloc(300_000, 'x'))
  for (const key of chunks()) rmSync(join(root, key))
  const result = await repair()
  expect(result.committed).toBe('00000002')
  const lost = ['lib/python3.11/site-packages/beta/data.bin']
  expect(result.lost).toEqual([{ snapshot: '00000001', paths: lost }])
})

test('puts what remains into a further generation, and names what is lost', async () => {
  const path = 'lib/python3.11/site-packages/beta/data.bin'
  rmSync(join(directory, path))
  rmSync(join(directory, 'lib/huge.bin'))
  for (const key of chunks()) rmSync(join(root, key))
  const result = await repair()
  expect(result.committed).toBe('00000002')
  expect(result.lost.map(({ paths }) => paths.toSorted())).toEqual([['lib/huge.bin', path]])
  const back = join(base, 'back', 'venv')
  const store = await open()
  expect(await restoreTree({ store, name, directory: back })).toMatchObject({ generation: 2 })
  const contents = (root: string) => describeTree(root).filter((line) => line.includes(' file '))
  expect(contents(back)).toEqual(contents(directory))
  expect(await save()).toMatchObject({ result: 'unchanged' })
})

test('takes files out of the frames of a damaged chunk that are whole', async () => {
  mkdirSync(join(directory, 'frames'))
  for (const file of ['a', 'b', 'c'])
    writeFileSync(join(directory, 'frames', file), randomBytes(3_000_000))
  const before = chunks()
  await save()
  const [key = ''] = chunks().filter((each) => !before.includes(each))
  const path = join(root, key)
  const bytes = readFileSync(path)
  bytes[bytes.length - 1_000_000] = (bytes[bytes.length - 1_000_000] ?? 0) ^ 1
  writeFileSync(path, bytes)
  const result = await repair({ directories: [] })
  expect(result.committed).toBe('00000003')
  expect(result.lost.map(({ paths }) => paths.length)).toEqual([1])
  const back = join(base, 'back', 'venv')
  await restoreTree({ store: await open(), name, directory: back })
  const kept = readdirSync(join(back, 'frames'))
  expect(kept).toHaveLength(2)
  for (const file of kept)
    expect(readFileSync(join(back, 'frames', file))).toEqual(
      readFileSync(join(directory, 'frames', file)),
    )
})

test('leaves a store alone for which there is nothing at hand', async () => {
  for (const key of chunks()) damage(key)
  const before = content()
  const result = await repair({ directories: [join(base, 'nothing')] })
  expect(result).toMatchObject({ rebuilt: [], committed: '' })
  expect(result.lost[0]?.paths.length).toBeGreaterThan(10)
  expect(content()).toEqual(before)
})

test('names a snapshot that can not be read', async () => {
  writeFileSync(join(directory, 'more'), 'more')
  await save()
  writeFileSync(join(root, `snapshots/${name}/@/00000001.json.zst`), 'broken')
  expect((await repair()).lost).toEqual([{ snapshot: '00000001', paths: [] }])
})

test('knows the directories that are trees of the archive', async () => {
  const of = { archive: name, store: `file://${root}` }
  expect(await findOwnTrees(join(base, 'pod'), of)).toEqual([directory])
  expect(await findOwnTrees(directory, of)).toEqual([directory])
  expect(await findOwnTrees(join(base, 'pod'), { ...of, archive: 'other' })).toEqual([])
  expect(await findOwnTrees(join(base, 'none'), of)).toEqual([])
})
