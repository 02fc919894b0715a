import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { findOwnTrees } from './repair-trees.ts'
import { type RepairOptions, repairArchive } from './repair.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { describeArchives, listSnapshots } from '../snapshots/list-snapshots.ts'
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

const snapshotsIn = (keys: readonly string[]) => keys.filter((key) => key.startsWith('snapshots/'))

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
  expect(result).toMatchObject({ rebuilt: dry.rebuilt, committed: '', damaged: [] })
  expect(content()).toEqual(before)
  expect(await verify()).toEqual([])
  expect(await repair()).toMatchObject({ found: { problems: [] }, rebuilt: [] })
})

test('builds what a fast save had made', async () => {
  writeFileSync(join(directory, 'more'), 'more '.repeat(1000))
  await save('fast')
  for (const key of chunks()) rmSync(join(root, key))
  expect(await repair()).toMatchObject({ committed: '', damaged: [] })
  expect(await verify()).toEqual([])
})

test('finds content by its hash, wherever it lies', async () => {
  const before = content()
  for (const key of chunks()) rmSync(join(root, key))
  const other = join(base, 'elsewhere')
  mkdirSync(other)
  renameSync(join(directory, 'lib'), join(other, 'library'))
  expect(await repair({ directories: [directory, other] })).toMatchObject({ damaged: [] })
  expect(content()).toEqual(before)
})

test('takes nothing that only has the size', async () => {
  expect(await verify()).toEqual([])
  const path = join(directory, 'lib/python3.11/site-packages/beta/data.bin')
  writeFileSync(path, Buffer.alloc(300_000, 'x'))
  for (const key of chunks()) rmSync(join(root, key))
  const before = storedKeys(root)
  const result = await repair()
  expect(result).toMatchObject({ rebuilt: expect.any(Array), generation: 'withheld' })
  const lost = ['lib/python3.11/site-packages/beta/data.bin']
  expect(result.damaged).toMatchObject([{ snapshot: '00000001', unreadable: false, lost }])
  expect(snapshotsIn(storedKeys(root))).toEqual(snapshotsIn(before))
})

test('puts what remains into a further generation where that is accepted, and names what is lost', async () => {
  const path = 'lib/python3.11/site-packages/beta/data.bin'
  rmSync(join(directory, path))
  rmSync(join(directory, 'lib/huge.bin'))
  for (const key of chunks()) rmSync(join(root, key))
  expect(await repair({ acceptLost: true, dryRun: true })).toMatchObject({
    generation: 'would-commit',
    committed: '',
  })
  const result = await repair({ acceptLost: true })
  expect(result).toMatchObject({ generation: 'committed', committed: '00000002' })
  expect(result.damaged.map(({ lost }) => lost.toSorted())).toEqual([['lib/huge.bin', path]])
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
  expect(await repair({ directories: [] })).toMatchObject({
    generation: 'withheld',
    committed: '',
    damaged: [{ snapshot: '00000002', held: 2 }],
  })
  const result = await repair({ directories: [], acceptLost: true })
  expect(result.committed).toBe('00000003')
  expect(result.damaged.map(({ lost }) => lost.length)).toEqual([1])
  const back = join(base, 'back', 'venv')
  await restoreTree({ store: await open(), name, directory: back })
  const kept = readdirSync(join(back, 'frames'))
  expect(kept).toHaveLength(2)
  for (const file of kept)
    expect(readFileSync(join(back, 'frames', file))).toEqual(
      readFileSync(join(directory, 'frames', file)),
    )
})

test('leaves a store alone for which there is nothing at hand, whatever is accepted', async () => {
  const small = join(base, 'pod', 'small')
  mkdirSync(small)
  writeFileSync(join(small, 'only'), 'only')
  const store = await open()
  await saveTree({ store, name: 'lab/small', directory: small })
  for (const key of chunks()) damage(key)
  const before = content()
  const directories = [join(base, 'nothing')]
  for (const of of [name, 'lab/small']) {
    const acceptLost = of !== name
    const result = await repairArchive({ store, name: of, directories, acceptLost })
    expect(result).toMatchObject({ rebuilt: [], generation: 'withheld', committed: '' })
    expect(result.damaged[0]?.lost.length).toBeGreaterThan(0)
  }
  expect(content()).toEqual(before)
  expect(await verify()).not.toEqual([])
})

/** A generation that lacks a file, on top of the one that it was made from. */
async function commitWithLosses(): Promise<{ healthy: string; notes: string[] }> {
  const path = 'lib/python3.11/site-packages/beta/data.bin'
  const healthy = join(base, 'healthy', 'venv')
  await restoreTree({ store: await open(), name, directory: healthy })
  rmSync(join(directory, path))
  for (const key of chunks()) rmSync(join(root, key))
  const result = await repair({ acceptLost: true })
  expect(result).toMatchObject({ generation: 'committed', committed: '00000002' })
  const notes: string[] = []
  const onNote = (level: string, text: string) => notes.push(`${level} ${text}`)
  await restoreTree({ store: await open(), name, directory: join(base, 'r', 'venv'), onNote })
  return { healthy, notes }
}

test('marks a generation that lacks something, and a restore says so', async () => {
  const { notes } = await commitWithLosses()
  const lacks = { of: '00000001', files: 1 }
  expect(await listSnapshots(await open(), name)).toMatchObject([{ lacks }, { name: '00000001' }])
  expect(await describeArchives(await open())).toMatchObject([{ generation: 2, lacks }])
  const [note, ...others] = notes.filter((text) => text.includes('repair'))
  expect(others).toEqual([])
  expect(note).toMatch(
    /^warn `lab\/venv` 00000002 was made by a repair and lacks 1 file of 00000001/,
  )
})

test('puts a complete generation on top once nothing is lost any more', async () => {
  const { healthy } = await commitWithLosses()
  const complete = describeTree(healthy).filter((line) => line.includes(' file '))
  expect(await repair({ directories: [healthy], dryRun: true })).toMatchObject({
    generation: 'would-commit',
    damaged: [],
  })
  const result = await repair({ directories: [healthy] })
  expect(result).toMatchObject({ generation: 'committed', committed: '00000003', damaged: [] })
  expect(await verify()).toEqual([])
  const back = join(base, 'back', 'venv')
  const store = await open()
  expect(await restoreTree({ store, name, directory: back })).toMatchObject({ generation: 3 })
  expect(describeTree(back).filter((line) => line.includes(' file '))).toEqual(complete)
  expect(await listSnapshots(store, name)).toSatisfy(([first]) => first.lacks === undefined)
  expect(await saveTree({ store, name, directory: healthy })).toMatchObject({ result: 'unchanged' })
  expect(await repair({ directories: [healthy] })).toMatchObject({
    generation: 'none',
    rebuilt: [],
  })
})

test('what was added meanwhile to a generation with losses stays', async () => {
  const { healthy } = await commitWithLosses()
  const pod = join(base, 'r', 'venv')
  writeFileSync(join(pod, 'added'), 'added')
  expect(await saveTree({ store: await open(), name, directory: pod })).toMatchObject({
    result: 'saved',
    generation: 3,
    sibling: false,
  })
  expect(await repair({ directories: [healthy] })).toMatchObject({
    generation: 'none',
    damaged: [],
  })
})

test('names a snapshot that can not be read', async () => {
  writeFileSync(join(directory, 'more'), 'more')
  await save()
  writeFileSync(join(root, `snapshots/${name}/@/00000001.json.zst`), 'broken')
  const damaged = [{ snapshot: '00000001', unreadable: true, lost: [], held: 0 }]
  expect(await repair()).toMatchObject({ generation: 'none', damaged })
})

test('knows the directories that are trees of the archive', async () => {
  const of = { archive: name, store: `file://${root}` }
  expect(await findOwnTrees(join(base, 'pod'), of)).toEqual([directory])
  expect(await findOwnTrees(directory, of)).toEqual([directory])
  expect(await findOwnTrees(join(base, 'pod'), { ...of, archive: 'other' })).toEqual([])
  expect(await findOwnTrees(join(base, 'none'), of)).toEqual([])
})
