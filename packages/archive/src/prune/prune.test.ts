import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { readMarks } from './prune-mark.ts'
import { type PruneResult, pruneStore } from './prune.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { listSnapshots } from '../snapshots/list-snapshots.ts'
import { ageStore, findMissing, storedKeys, watchStore } from '../snapshots/store-testing.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'
import { verifyArchive } from '../verify/verify.ts'

const DAY = 24 * 60 * 60 * 1000
const name = 'pods/nodes'
const keepOne = { keepLast: 1, keepDaily: 0, keepWeekly: 0 }

let base: string
let root: string
let directory: string

beforeEach(() => {
  base = newDirectory()
  root = join(base, 'store')
  directory = join(base, 'pod', 'nodes')
  mkdirSync(directory, { recursive: true })
})

const open = () => openStore(`file://${root}`, { env: {} })

/** A file with this content and always the same times, so that equal contents make equal chunks. */
function write(path: string, content: string | Buffer): void {
  writeFileSync(join(directory, path), content)
  utimesSync(join(directory, path), 1_700_000_000, 1_700_000_000)
}

async function save(more: { now?: () => number } = {}) {
  tick()
  return saveTree({ store: await open(), name, directory, ...more })
}

async function prune(more: Partial<Parameters<typeof pruneStore>[0]> = {}): Promise<PruneResult> {
  return pruneStore({ store: await open(), retention: keepOne, ...more })
}

const chunks = () => storedKeys(root).filter((key) => key.startsWith('chunks/'))

/** Two generations, of which the first has a chunk of its own; all of it is two days old. */
async function makeHistory(): Promise<void> {
  write('old', 'old'.repeat(100))
  write('same', 'same'.repeat(100))
  await save()
  write('old', 'new'.repeat(100))
  write('same', 'changed'.repeat(100))
  await save()
  ageStore(root, 2 * DAY)
}

test.each([true, false])('makes no store where there is none (dry run: %s)', async (dryRun) => {
  await expect(prune({ dryRun })).rejects.toMatchObject({ code: 'archive/missing-store' })
  expect(existsSync(root)).toBe(false)
})

test('forgets a snapshot a day after it was marked, and its chunks a day after that', async () => {
  await makeHistory()
  const before = storedKeys(root)
  expect(chunks()).toHaveLength(2)

  const first = await prune()
  expect(first).toMatchObject({
    result: 'pruned',
    removed: { objects: 0, bytes: 0, snapshots: [] },
    marked: { objects: 0, snapshots: [`${name}@00000001`] },
    later: { objects: 2 },
    kept: { snapshots: 2, siblings: 0 },
  })
  const waiting = await prune({ dryRun: true })
  expect(waiting).toMatchObject({ result: 'waiting', later: first.later })
  expect(storedKeys(root).filter((key) => !key.startsWith('prune/'))).toEqual(before)

  ageStore(root, DAY)
  const second = await prune()
  expect(second).toMatchObject({
    removed: { objects: 0, snapshots: [`${name}@00000001`] },
    marked: { ...first.later, snapshots: [] },
    later: { objects: 0, bytes: 0 },
  })
  expect(chunks()).toHaveLength(2)

  ageStore(root, DAY)
  const third = await prune()
  expect(third).toMatchObject({
    result: 'pruned',
    removed: { objects: 2, snapshots: [] },
    nextAt: '',
  })
  expect(third.removed.bytes).toBe(second.marked.bytes)
  expect(chunks()).toHaveLength(1)
  expect((await listSnapshots(await open(), name)).map(({ generation }) => generation)).toEqual([2])
  expect((await verifyArchive({ store: await open(), name })).problems).toEqual([])

  ageStore(root, DAY)
  expect(await prune()).toMatchObject({ result: 'unchanged', nextAt: '' })
  expect(storedKeys(root).filter((key) => key.startsWith('prune/'))).toEqual([])
})

test('waits while a mark is younger than the grace, whatever grace is asked for then', async () => {
  await makeHistory()
  const { nextAt } = await prune()
  ageStore(root, DAY - 60_000)
  const again = await prune({ graceMs: 1000 })
  expect(again).toMatchObject({
    result: 'waiting',
    marked: { snapshots: [`${name}@00000001`] },
    removed: { snapshots: [] },
  })
  expect(Math.abs(Date.parse(again.nextAt) - Date.parse(nextAt) + DAY - 60_000)).toBeLessThan(
    10_000,
  )
})

test('removes what killed saves left, but nothing young', async () => {
  await makeHistory()
  const garbage = `chunks/ab/${'ab'.repeat(32)}.zst`
  await (await open()).put(garbage, Buffer.from('left behind'))
  expect(await prune({ retention: {} })).toMatchObject({
    result: 'unchanged',
    young: { objects: 1, bytes: 11 },
  })
  ageStore(root, DAY)
  expect(await prune({ retention: {} })).toMatchObject({ marked: { objects: 1, bytes: 11 } })
  ageStore(root, DAY)
  expect(await prune({ retention: {} })).toMatchObject({ removed: { objects: 1, bytes: 11 } })
  expect(storedKeys(root)).not.toContain(garbage)
})

test('touches nothing that is not its own', async () => {
  await makeHistory()
  const foreign = ['chunks/readme', 'chunks/ab/notes.zst', 'notes', 'snapshots/notes']
  for (const key of foreign) await (await open()).put(key, Buffer.from('mine'))
  for (const _ of [1, 2, 3]) {
    ageStore(root, DAY)
    await prune()
  }
  expect(storedKeys(root)).toEqual(expect.arrayContaining(foreign))
})

test('keeps what another archive of the store needs', async () => {
  await makeHistory()
  await saveTree({ store: await open(), name: 'another/one', directory })
  rmSync(directory, { recursive: true })
  await restoreTree({ store: await open(), name, directory, at: '1' })
  await saveTree({ store: await open(), name: 'a/third', directory })
  for (const _ of [1, 2, 3]) {
    ageStore(root, DAY)
    await prune()
  }
  expect((await listSnapshots(await open(), name)).map(({ generation }) => generation)).toEqual([2])
  expect(await findMissing(await open())).toEqual([])
})

test('forgets only the snapshots of the archive that is named', async () => {
  await makeHistory()
  expect(await prune({ name: 'another/one' })).toMatchObject({ marked: { snapshots: [] } })
})

test('spares a snapshot that the retention of now keeps', async () => {
  await makeHistory()
  await prune()
  ageStore(root, DAY)
  expect(await prune({ retention: {} })).toMatchObject({
    removed: { snapshots: [] },
    spared: { snapshots: [`${name}@00000001`] },
  })
  expect(await listSnapshots(await open(), name)).toHaveLength(2)
})

test('says what would happen and writes nothing on a dry run', async () => {
  await makeHistory()
  const before = storedKeys(root)
  expect(await prune({ dryRun: true })).toMatchObject({
    marked: { snapshots: [`${name}@00000001`] },
  })
  expect(storedKeys(root)).toEqual(before)
  await prune()
  ageStore(root, DAY)
  const marked = storedKeys(root)
  const dry = await prune({ dryRun: true })
  expect(storedKeys(root)).toEqual(marked)
  const { removed, marked: next } = await prune()
  expect({ removed: dry.removed, marked: dry.marked }).toEqual({ removed, marked: next })
})

test.each([
  ['that is damaged', 'snapshots/other/@/00000001.json.zst', 'archive/bad-manifest'],
  ['with a name of a later format', 'snapshots/other/@/g1.json.zst', 'archive/bad-manifest'],
])('removes nothing in a store with a snapshot %s', async (_, key, code) => {
  await makeHistory()
  await prune()
  ageStore(root, DAY)
  await (await open()).put(key, Buffer.from('?'))
  const before = storedKeys(root)
  await expect(prune()).rejects.toMatchObject({ code, message: expect.stringContaining(key) })
  expect(storedKeys(root)).toEqual(before)
})

test('removes nothing in a store with a mark that it can not read', async () => {
  await makeHistory()
  await (await open()).put('prune/later.json.zst', Buffer.from('?'))
  const before = storedKeys(root)
  await expect(prune()).rejects.toMatchObject({ code: 'archive/bad-mark' })
  expect(storedKeys(root)).toEqual(before)
})

test('goes on where a prune was cut, wherever that was', async () => {
  await makeHistory()
  const whole = root
  for (let cut = 0; ; cut++) {
    root = join(base, `store-${cut}`)
    execFileSync('cp', ['-a', whole, root])
    let left = cut
    const cutStore = watchStore(await open(), async () => {
      if (left-- <= 0) throw new Error('cut')
    })
    let failed = 0
    for (const _ of [1, 2, 3, 4]) {
      const result = await prune({ store: cutStore }).catch(() => failed++)
      expect(await findMissing(await open())).toEqual([])
      ageStore(root, DAY)
      if (typeof result === 'number') left = Infinity
    }
    await prune()
    expect(chunks()).toHaveLength(1)
    if (failed === 0) break
  }
}, 120_000)

/** Content that went away, was marked, and comes back. */
async function condemn(): Promise<void> {
  write('big', Buffer.alloc(5_000_000, 'big'))
  await makeHistory()
  rmSync(join(directory, 'big'))
  await save()
  ageStore(root, 2 * DAY)
  await prune()
  ageStore(root, DAY)
  await prune()
  const marks = await readMarks(await open())
  expect(marks.flatMap(({ mark }) => mark.objects).length).toBeGreaterThan(1)
  write('big', Buffer.alloc(5_000_000, 'big'))
  write('old', 'old'.repeat(100))
  write('same', 'same'.repeat(100))
}

test('saves content again under another name than one that is marked', async () => {
  await condemn()
  const before = chunks()
  const saved = await save()
  expect(saved).toMatchObject({ result: 'saved', uploadedChunks: 2 })
  const added = chunks().filter((key) => !before.includes(key))
  expect(added).toHaveLength(2)
  const segment = added.find((key) => !key.endsWith('.tar.zst')) ?? ''
  const plain = execFileSync('zstd', ['-dc', join(root, segment)], { maxBuffer: 1e8 })
  expect(plain.equals(readFileSync(join(directory, 'big')))).toBe(true)
  const group = added.find((key) => key.endsWith('.tar.zst')) ?? ''
  const listed = execFileSync('tar', ['--zstd', '-tf', join(root, group)], { encoding: 'utf8' })
  expect(listed.split('\n').toSorted()).toEqual(['', 'old', 'same'])

  ageStore(root, DAY)
  await prune()
  const restored = join(base, 'restored', 'nodes')
  await restoreTree({ store: await open(), name, directory: restored })
  expect(describeTree(restored)).toEqual(describeTree(directory))
})

test('a save may put content that is being swept just then', async () => {
  await condemn()
  ageStore(root, DAY)
  const swept: PruneResult[] = []
  const store = watchStore(await open(), async (what) => {
    if (what.startsWith('put snapshots/') && swept.length === 0) swept.push(await prune())
  })
  tick()
  await saveTree({ store, name, directory })
  expect(swept[0]?.removed.objects).toBeGreaterThan(1)
  expect(await findMissing(await open())).toEqual([])
})

test('saves under names of its own where a mark can not be read', async () => {
  await condemn()
  await (await open()).put('prune/later.json.zst', Buffer.from('?'))
  expect(await save()).toMatchObject({ result: 'saved', uploadedChunks: 2 })
  expect((await verifyArchive({ store: await open(), name })).problems).toEqual([])
})

test('refuses to commit when what a long save relied on was pruned meanwhile', async () => {
  await makeHistory()
  let elapsed = 0
  const now = () => elapsed
  write('more', 'more')
  const slow = watchStore(await open(), async (what) => {
    if (!what.startsWith('put chunks/') || elapsed > 0) return
    elapsed = 10 * DAY
    // Another pod commits twice, so that the base is forgotten.
    const other = join(base, 'other', 'nodes')
    await restoreTree({ store: await open(), name, directory: other })
    writeFileSync(join(other, 'theirs'), 'theirs')
    tick()
    await saveTree({ store: await open(), name, directory: other })
    for (const _ of [1, 2, 3]) {
      ageStore(root, DAY)
      await prune()
    }
  })
  tick()
  await expect(saveTree({ store: slow, name, directory, now })).rejects.toMatchObject({
    code: 'archive/pruned',
    message: expect.stringContaining('00000002'),
  })
  expect(await findMissing(await open())).toEqual([])
  expect(await save()).toMatchObject({ result: 'saved', sibling: true })
  expect(await findMissing(await open())).toEqual([])
})
