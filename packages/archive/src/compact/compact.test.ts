import { mkdirSync, rmSync, writeFileSync, utimesSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { startStubS3 } from '@berth/object-store/testing'
import { expect, test } from 'vitest'
import {
  listSnapshots,
  readRecord,
  restoreTree,
  type SaveResult,
  saveTree,
  verifyArchive,
} from '../index.ts'
import { findLatest, readSnapshot } from '../snapshots/snapshots.ts'
import { storedKeys } from '../snapshots/store-testing.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'
import { chooseGroups } from './choose-groups.ts'
import { measureUse } from './chunk-use.ts'
import type { Compacted } from './compact.ts'

const name = 'pods/data'
/** Bounds that a tree of a test reaches. */
const soon = { leastDeadBytes: 1, smallGroups: 6 }

/** A store with a tree of sixteen files that don't compress, and two pods that have it. */
async function setUp(pods = ['one']) {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const at = (pod: string) => join(base, pod, 'data')
  const write = (pod: string, path: string, bytes = 4000) => {
    mkdirSync(join(at(pod), path, '..'), { recursive: true })
    writeFileSync(join(at(pod), path), randomBytes(bytes))
  }
  for (let index = 0; index < 16; index++) write(pods[0] ?? '', `lib/f${index}`)
  await saveTree({ store, name, directory: at(pods[0] ?? '') })
  for (const pod of pods.slice(1)) await restoreTree({ store, name, directory: at(pod) })
  tick()
  const save = (pod: string, options: object = {}) =>
    saveTree({ store, name, directory: at(pod), pod, ...options })
  return { base, store, at, write, save }
}

async function newest(store: ObjectStore) {
  const latest = await findLatest(store, name)
  return readSnapshot(store, name, latest?.name ?? '')
}

async function expectWhole(store: ObjectStore, directory: string): Promise<void> {
  const other = join(newDirectory(), 'data')
  await restoreTree({ store, name, directory: other })
  expect(describeTree(other)).toEqual(describeTree(directory))
  expect((await verifyArchive({ store, name })).problems).toEqual([])
}

test('a save whose snapshot is a quarter dead writes the rest of its chunks anew', async () => {
  const { base, store, at, write, save } = await setUp()
  for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
  const notes: string[] = []
  const onNote = (level: string, text: string) => notes.push(`${level} ${text}`)
  const saved = await save('one', { compact: soon, onNote })
  expect(saved).toMatchObject({
    result: 'saved',
    generation: 3,
    changed: 6,
    compacted: { snapshot: '00000003', generation: 3, chunksBefore: 2, chunksAfter: 2 },
  })
  const { deadBytes, rewrittenBytes } = (saved as { compacted: Compacted }).compacted
  expect(deadBytes).toBeGreaterThan(6 * 3900)
  expect(deadBytes).toBeLessThan(6 * 4800)
  expect(rewrittenBytes).toBeGreaterThan(10 * 4000)
  expect(rewrittenBytes).toBeLessThan(10 * 4600)
  expect(notes).toEqual([
    expect.stringMatching(/^info compacted `pods\/data` as 00000003: of its chunks \d+ bytes were/),
  ])
  await expectWhole(store, at('one'))
  const use = measureUse(await newest(store))
  expect(use.groups.reduce((sum, { dead }) => sum + dead, 0)).toBe(0)
  // Nothing of it looks like a change.
  expect(await listSnapshots(store, name, { changes: true })).toMatchObject([
    { generation: 3, compacted: true, changes: { added: 0, changed: 0, removed: 0, units: [] } },
    { generation: 2, compacted: false, changes: { changed: 6 } },
    { generation: 1, compacted: false },
  ])
  const keys = storedKeys(join(base, 'store'))
  expect(await save('one', { compact: soon })).toEqual({
    result: 'unchanged',
    generation: 3,
    files: 16,
  })
  expect(storedKeys(join(base, 'store'))).toEqual(keys)
  expect(await readRecord(at('one'))).toMatchObject({ snapshot: '00000003', generation: 3 })
})

test('an unchanged directory is compacted too, and content that was moved is known again', async () => {
  const { store, at, write, save } = await setUp()
  for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
  await save('one')
  expect(await save('one')).toMatchObject({ result: 'unchanged', generation: 2 })
  expect(await save('one', { compact: soon })).toMatchObject({
    result: 'unchanged',
    generation: 3,
    compacted: { generation: 3 },
  })
  // Every file is read again, and none is sent.
  for (let index = 0; index < 16; index++) utimesSync(join(at('one'), `lib/f${index}`), 1e9, 1e9)
  expect(await save('one', { compact: soon })).toMatchObject({
    result: 'saved',
    generation: 4,
    uploadedChunks: 0,
  })
  await expectWhole(store, at('one'))
})

test('many small chunks become one', async () => {
  const { store, at, write, save } = await setUp()
  const results: SaveResult[] = []
  for (let round = 0; round < 9; round++) {
    write('one', `more/f${round}`)
    results.push(await save('one', { compact: soon }))
    tick()
  }
  // With the first there are seven after six saves.
  const compacted = results.flatMap((result) => ('compacted' in result ? [result.compacted] : []))
  expect(compacted).toMatchObject([{ chunksBefore: 7, chunksAfter: 1, deadBytes: 0 }])
  expect((await newest(store)).chunks).toHaveLength(4)
  await expectWhole(store, at('one'))
})

test('neither a save with a deadline nor one that was not asked to compacts', async () => {
  const { write, save } = await setUp()
  for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
  const deadline = Date.now() + 60_000
  expect(await save('one', { compact: soon, deadline })).not.toHaveProperty('compacted')
  expect(await save('one', { compact: false })).not.toHaveProperty('compacted')
  expect(await save('one')).not.toHaveProperty('compacted')
  // Less than a megabyte is nothing that anybody waits for.
  expect(await save('one', { compact: true })).not.toHaveProperty('compacted')
  expect(await save('one', { compact: soon })).toHaveProperty('compacted')
})

test('one round reads and writes no more than it may, and the next goes on', async () => {
  const { store, at, write, save } = await setUp()
  const bounds = { ...soon, roundBytes: 60_000 }
  // Four chunks of which half is dead.
  for (const part of ['a', 'b', 'c']) {
    for (let index = 0; index < 16; index++) write('one', `${part}/f${index}`)
    await save('one')
    tick()
  }
  for (const part of ['lib', 'a', 'b', 'c'])
    for (let index = 0; index < 10; index++) write('one', `${part}/f${index}`)
  const first = await save('one', { compact: bounds })
  expect(first).toMatchObject({ result: 'saved', compacted: { chunksBefore: 5 } })
  const rounds = [first]
  for (let round = 0; round < 6; round++) rounds.push(await save('one', { compact: bounds }))
  const bytes = rounds.flatMap((result) =>
    'compacted' in result ? [result.compacted?.rewrittenBytes ?? 0] : [],
  )
  expect(bytes.length).toBeGreaterThan(1)
  expect(bytes.length).toBeLessThan(5)
  expect(Math.max(...bytes)).toBeLessThan(60_000)
  await expectWhole(store, at('one'))
})

test('a pod that changes what another compacts meanwhile has no conflict, in a venv neither', async () => {
  const { store, at, write, save } = await setUp()
  write('one', 'venv/pyvenv.cfg')
  for (let index = 0; index < 8; index++) write('one', `venv/lib/site-packages/p${index}.py`)
  rmSync(join(at('one'), '../.berth'), { recursive: true })
  await saveTree({ store, name, directory: at('one'), acceptVanished: true })
  await restoreTree({ store, name, directory: at('two') })
  tick()
  for (let index = 6; index < 16; index++) write('one', `lib/f${index}`)
  expect(await save('one', { compact: { ...soon, smallGroups: 0 } })).toHaveProperty('compacted')
  // What is changed here lies elsewhere by now, and that is no change.
  write('two', 'venv/lib/site-packages/p3.py')
  write('two', 'lib/f4')
  utimesSync(join(at('two'), 'lib/f5'), 1e9, 1e9)
  const saved = await save('two')
  expect(saved).toMatchObject({ result: 'saved', sibling: false, conflicts: 0 })
  const other = join(newDirectory(), 'data')
  const notes: string[] = []
  await restoreTree({ store, name, directory: other, onNote: (_level, text) => notes.push(text) })
  expect(notes).toEqual([])
  const part = (root: string, of: RegExp) => describeTree(root).filter((line) => of.test(line))
  for (const [pod, of] of [
    ['one', /lib\/f([6-9]|1\d) /],
    ['two', /p\d\.py|lib\/f[0-5] /],
  ] as const)
    expect(part(other, of)).toEqual(part(at(pod), of))
  expect((await verifyArchive({ store, name })).problems).toEqual([])
})

test('what lies beside the history, and is in it by now, is not told of because it was moved', async () => {
  const { store, at, write, save } = await setUp()
  for (let index = 0; index < 10; index++) rmSync(join(at('one'), `lib/f${index}`))
  for (const path of ['lib/f14', 'lib/f15']) write('one', path)
  expect(await save('one')).toMatchObject({ sibling: true })
  expect(await save('one', { acceptVanished: true })).toMatchObject({ sibling: false })
  tick()
  for (let index = 10; index < 14; index++) write('one', `lib/f${index}`)
  expect(await save('one', { compact: { ...soon, smallGroups: 0 } })).toHaveProperty('compacted')
  const notes: string[] = []
  const onNote = (level: string, text: string) => notes.push(`${level} ${text}`)
  await restoreTree({ store, name, directory: join(newDirectory(), 'data'), onNote })
  expect(notes).toEqual([])
})

test('of two pods that compact at once one comes first, and the other leaves it', async () => {
  const { store, at, write, save } = await setUp(['one'])
  for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
  await save('one')
  const pods = ['two', 'three', 'four']
  for (const pod of pods) await restoreTree({ store, name, directory: at(pod) })
  const saved = await Promise.all(pods.map((pod) => save(pod, { compact: soon })))
  expect(saved.filter((result) => 'compacted' in result)).toHaveLength(1)
  const { length } = await listSnapshots(store, name)
  expect(length).toBe(3)
  await expectWhole(store, at('one'))
  for (const pod of pods) expect(await save(pod)).toMatchObject({ result: 'unchanged' })
})

test('a damaged chunk is not written anew, and the save is none the worse', async () => {
  const { base, store, write, save } = await setUp()
  const [victim = ''] = storedKeys(join(base, 'store')).filter((key) => key.startsWith('chunks/'))
  for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
  writeFileSync(join(base, 'store', victim), randomBytes(100))
  const notes: string[] = []
  const onNote = (level: string, text: string) => notes.push(`${level} ${text}`)
  expect(await save('one', { compact: soon, onNote })).toMatchObject({ generation: 2 })
  expect(notes).toEqual([expect.stringContaining(`was not compacted: ${victim}`)])
  expect((await findLatest(store, name))?.generation).toBe(2)
})

test('a store without conditional writes is left as it is', async () => {
  const server = await startStubS3({ conditionalWrites: 'refused' })
  try {
    const { base, at, write } = await setUp()
    const store = await openStore(server.url, { env: server.env })
    const directory = at('one')
    await saveTree({ store, name, directory })
    for (let index = 0; index < 6; index++) write('one', `lib/f${index}`)
    const saved = await saveTree({ store, name, directory, compact: soon })
    expect(saved).toMatchObject({ result: 'saved' })
    expect(saved).not.toHaveProperty('compacted')
    rmSync(base, { recursive: true })
  } finally {
    await server.close()
  }
})

test('chooses the emptiest groups down to an eighth, and small ones only when there are many', () => {
  const bounds = { leastDeadBytes: 10, smallGroups: 2, roundBytes: 1e9 }
  const group = (number: number, stored: number, dead: number, live = 2e6) => ({
    number,
    stored,
    dead,
    live,
  })
  const choose = (groups: ReturnType<typeof group>[], fetched = 0, other = {}) => {
    const sum = groups.reduce((all, { stored }) => all + stored, fetched)
    return chooseGroups({ groups, chunks: groups.length, fetched: sum }, { ...bounds, ...other })
  }
  expect(choose([group(0, 100, 25)])).toEqual([])
  expect(choose([group(0, 100, 26)])).toEqual([0])
  expect(choose([group(0, 100, 26)], 100)).toEqual([])
  expect(choose([group(0, 100, 26)], 0, { leastDeadBytes: 27 })).toEqual([])
  expect(choose([group(0, 100, 10), group(1, 100, 70), group(2, 100, 0)])).toEqual([1])
  const half = [group(0, 100, 50), group(1, 100, 40), group(2, 100, 60)]
  expect(choose(half)).toEqual([0, 1, 2])
  expect(choose(half, 0, { roundBytes: 1 })).toEqual([2])
  expect(choose(half, 0, { roundBytes: 4_000_000 })).toEqual([0, 2])
  const small = [group(0, 9, 0, 900), group(1, 9, 0, 800), group(2, 9, 0, 2e6)]
  expect(choose(small)).toEqual([])
  expect(choose([...small, group(3, 9, 0, 100)])).toEqual([0, 1, 3])
})
