import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from './save.ts'
import { describeTree, newDirectory, newFastDirectory, tick } from '../testing.ts'

const name = 'pod/tree'
const PACKAGE = 'venv/lib/python3.11/site-packages/big'
const CHUNKS = /chunks\//
// The cut comes before it, whatever else the machine does meanwhile.
const BUDGET_MS = 5000

let root: string
let tree: string
let store: ObjectStore
/** The same, but only small chunks get through, and others are on their way for ever. */
let slow: ObjectStore
let passingBytes: number

beforeEach(async () => {
  root = newFastDirectory()
  tree = join(root, 'tree')
  write('venv/pyvenv.cfg', 'home = /usr/bin\n')
  write(`${PACKAGE}/one.bin`, randomBytes(2_500_000))
  write(`${PACKAGE}/two.bin`, randomBytes(2_500_000))
  write('custom_nodes/node/main.py', 'one')
  write('custom_nodes/other/main.py', 'other')
  store = await openStore(`file://${root}/store`, { env: {} })
  slow = Object.create(store, { put: { value: putSlowly } }) as ObjectStore
  passingBytes = Infinity
  tick()
  await saveTree({ store, name, directory: tree })
  tick()
})

afterEach(async () => {
  await store.close()
  rmSync(root, { recursive: true, force: true })
})

const putSlowly: ObjectStore['put'] = async (key, body, options) => {
  if (CHUNKS.test(key) && body.length > passingBytes) await aborted(options?.signal)
  return store.put(key, body, options)
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal?.reason as Error)
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function objects(): string[] {
  return readdirSync(join(root, 'store'), { recursive: true, encoding: 'utf8' }).toSorted()
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true })
  writeFileSync(join(tree, path), content)
}

/** Another content in which neither the size nor the mtime tells it. */
function changeInSecret(path: string): void {
  const { size, atime, mtime } = statSync(join(tree, path))
  writeFileSync(join(tree, path), randomBytes(size))
  utimesSync(join(tree, path), atime, mtime)
}

async function restored(): Promise<string[]> {
  const directory = join(newDirectory(), 'tree')
  await restoreTree({ store, name, directory })
  return describeTree(directory)
}

function saveInTime(notes: string[] = []) {
  return saveTree({
    store: slow,
    name,
    directory: tree,
    deadline: Date.now() + BUDGET_MS,
    onNote: (_, text) => void notes.push(text),
  })
}

const below = (lines: string[], path: string): string[] =>
  lines.filter((line) => line.startsWith(`./${path}/`) && line.includes(' file '))

test('saves what fits into the time, an environment only as a whole, and the rest with the next save', async () => {
  const before = describeTree(tree)
  write('custom_nodes/node/main.py', 'two')
  write('custom_nodes/node/added.py', 'added')
  write(`${PACKAGE}/one.bin`, randomBytes(2_500_000))
  changeInSecret(`${PACKAGE}/two.bin`)
  passingBytes = 1_000_000
  const notes: string[] = []
  const result = await saveInTime(notes)
  expect(result).toMatchObject({
    result: 'partial',
    changed: 2,
    late: [{ path: 'venv', files: 2, bytes: 5_000_000 }],
  })
  expect(notes).toEqual([
    'there was no time to save `venv` (2 new or changed files, 4.8 MiB): `pod/tree` keeps of that what it had, and the next save sends it',
  ])
  const partial = await restored()
  const now = describeTree(tree)
  expect(below(partial, 'venv')).toEqual(below(before, 'venv'))
  expect(below(partial, 'custom_nodes')).toEqual(below(now, 'custom_nodes'))
  expect(await saveTree({ store, name, directory: tree })).toMatchObject({
    result: 'saved',
    changed: 2,
    late: [],
  })
  expect(await restored()).toEqual(describeTree(tree))
}, 60_000)

test('leaves no empty directory of what could not be sent in time', async () => {
  write('custom_nodes/node/main.py', 'two')
  write('models/large/one.bin', randomBytes(5_000_000))
  write('images/one.png', randomBytes(5_000_000))
  passingBytes = 1_000_000
  expect(await saveInTime()).toMatchObject({
    result: 'partial',
    late: [{ path: 'images' }, { path: 'models/large' }],
  })
  expect((await restored()).filter((line) => /images|models/.test(line))).toEqual([])
  await saveTree({ store, name, directory: tree })
  expect(await restored()).toEqual(describeTree(tree))
}, 60_000)

test('commits nothing when nothing could be sent in time, and saves it later', async () => {
  write(`${PACKAGE}/three.bin`, randomBytes(2_500_000))
  passingBytes = 0
  const keys = objects()
  await expect(saveInTime()).rejects.toMatchObject({ code: 'archive/no-time' })
  expect(objects()).toEqual(keys)
  expect(await saveTree({ store, name, directory: tree })).toMatchObject({ changed: 1 })
  expect(await restored()).toEqual(describeTree(tree))
}, 60_000)

test('sends nothing again that was only moved, although the time is short', async () => {
  renameSync(join(tree, 'venv'), join(tree, 'moved'))
  passingBytes = 0
  expect(await saveInTime()).toMatchObject({ result: 'saved', uploadedChunks: 0, late: [] })
  expect(await restored()).toEqual(describeTree(tree))
})

test('a deadline that is far away changes nothing', async () => {
  write('custom_nodes/node/main.py', 'two')
  write(`${PACKAGE}/one.bin`, randomBytes(2_500_000))
  const deadline = Date.now() + 600_000
  expect(await saveTree({ store, name, directory: tree, deadline })).toMatchObject({
    result: 'saved',
    changed: 2,
    late: [],
  })
  expect(await restored()).toEqual(describeTree(tree))
})
