import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ObjectStore, type Patience, openStore } from '@berth/object-store'
import {
  type Fault,
  type FaultKind,
  type StubS3,
  type StubS3Options,
  startStubS3,
} from '@berth/object-store/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'
const CHUNK = /^pods\/chunks\//
const MANIFEST = /^pods\/snapshots\/.*\.json\.zst$/
const STALL_MS = 300

// Far beyond what the shortened times of a store add up to, also on a busy machine: what takes longer hangs.
vi.setConfig({ testTimeout: 90_000 })

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

interface World {
  stub: StubS3
  base: string
  directory: string
  /** Whose requests go wrong: it gives up sooner than the others. */
  hasty: ObjectStore
  save: (store?: ObjectStore) => ReturnType<typeof saveTree>
  restore: (directory: string, source?: Source) => ReturnType<typeof restoreTree>
  /** The tree that a pod of which nothing is known gets. */
  restored: (pod: string, source?: Source) => Promise<string[]>
}

interface Source {
  store?: ObjectStore
  at?: string
}

/** The times are those of a busy machine: a fault that passes must not look like one that lasts. */
async function setUp(options: StubS3Options = {}, haste: Partial<Patience> = {}): Promise<World> {
  const stub = await startStubS3(options)
  closing.push(() => stub.close())
  const open = async (patience: Partial<Patience>) => {
    const quick = { initialDelayMs: 2, maxDelayMs: 10 }
    const store = await openStore(stub.url, { env: stub.env, patience: { ...quick, ...patience } })
    closing.unshift(() => store.close())
    return store
  }
  const [patient, hasty] = [await open({}), await open(haste)]
  const base = newDirectory()
  const directory = join(base, 'pod', 'nodes')
  const restore: World['restore'] = (to, { store = patient, at } = {}) =>
    restoreTree({ store, name, directory: to, at })
  return {
    stub,
    base,
    directory,
    hasty,
    save: (store = patient) => saveTree({ store, name, directory }),
    restore,
    restored: async (pod, source) => {
      const target = join(base, pod, 'nodes')
      expect(await restore(target, source)).toMatchObject({ result: 'restored' })
      return describeTree(target)
    },
  }
}

/** Bytes that neither compress nor depend on chance. */
function noise(seed: string, size: number): Buffer {
  const parts: Buffer[] = []
  for (let index = 0; index * 32 < size; index++)
    parts.push(createHash('sha256').update(`${seed} ${index}`).digest())
  return Buffer.concat(parts).subarray(0, size)
}

/** Small files of two nodes, and one that is long enough for a chunk of its own. */
function fill(directory: string, version: number): string[] {
  for (const node of ['alpha', 'beta']) {
    mkdirSync(join(directory, node), { recursive: true })
    for (let index = 0; index < 6; index++)
      writeFileSync(join(directory, node, `f${index}`), `${node} ${index} ${index % version}\n`)
    writeFileSync(join(directory, node, 'weights'), noise(`${node} ${version}`, 50_000))
  }
  writeFileSync(join(directory, 'long'), noise(`long ${version}`, 4_300_000))
  writeFileSync(join(directory, `only-${version}`), `${version}`)
  rmSync(join(directory, `only-${version - 1}`), { force: true })
  tick()
  return describeTree(directory)
}

/** A world with one generation, and a tree that has changed since. */
async function withHistory(haste: Partial<Patience> = {}, options: StubS3Options = {}) {
  const world = await setUp(options, haste)
  const first = fill(world.directory, 1)
  expect(await world.save()).toMatchObject({ result: 'saved', generation: 1 })
  const second = fill(world.directory, 2)
  return { ...world, first, second }
}

const times = 4
test.for<[string, Omit<Fault, 'key'>[]]>([
  ['a storm of 500', [{ kind: { status: 500 }, times: 12 }]],
  ['a storm of 503 SlowDown', [{ kind: { status: 503, code: 'SlowDown' }, times: 12 }]],
  ['a storm of 429', [{ kind: { status: 429, code: 'TooManyRequests' }, times: 12 }]],
  ['resets before the headers', [{ kind: 'reset', times: 12 }]],
  ['resets in the middle of a body', [{ kind: 'reset-mid-body', method: 'GET', times }]],
  ['bodies that end early', [{ kind: 'short-body', method: 'GET', times }]],
  [
    'stalls',
    [
      { kind: 'stall', method: 'GET', times: 2 },
      { kind: 'stall', method: 'PUT', times: 2 },
    ],
  ],
  [
    'errors with status 200',
    [
      { kind: 'error-in-200', method: 'GET', times },
      { kind: 'error-in-200', method: 'PUT', times },
    ],
  ],
  ['answers that are lost', [{ kind: 'lose-answer', times: 12 }]],
  [
    'conflicts',
    [{ kind: { status: 409, code: 'ConditionalRequestConflict' }, method: 'PUT', times }],
  ],
])('%s, as long as they pass, harm neither a save nor a restore', async ([, faults]) => {
  // A storm may hit one request more often than the others.
  const world = await withHistory({ attempts: 20, attemptsToReach: 20, stallMs: STALL_MS })
  for (const fault of faults) world.stub.fault(fault)
  expect(await world.save(world.hasty)).toMatchObject({
    result: 'saved',
    generation: 2,
    sibling: false,
  })
  world.stub.clearFaults()
  expect(await world.restored('clear')).toEqual(world.second)
  for (const fault of faults) world.stub.fault(fault)
  expect(await world.restored('faulty', { store: world.hasty })).toEqual(world.second)
  world.stub.clearFaults()
  expect(await world.restored('first', { at: '1' })).toEqual(world.first)
  expect(await world.save()).toMatchObject({ result: 'unchanged' })
})

const failing = 'object-store/server-error'
const denied = 'object-store/access-denied'
const few = { attempts: 3, attemptsToReach: 3 }

/** What lasts, and what the message must say of it. */
const lasting: { title: string; kind: FaultKind; code: string; said: string }[] = [
  { title: '500', kind: { status: 500 }, code: failing, said: '500 InternalError' },
  { title: '503', kind: { status: 503, code: 'SlowDown' }, code: failing, said: '503 SlowDown' },
  { title: '403', kind: { status: 403 }, code: denied, said: '403 AccessDenied' },
  { title: 'a reset', kind: 'reset', code: failing, said: 'the connection was reset' },
]

const errorPage = { title: 'an error in a 200', kind: 'error-in-200' as const, code: failing }

test.for([...lasting, { ...errorPage, said: 'InternalError' }])(
  '$title for every put of a chunk, and then of a manifest, ends a save by its name and loses nothing',
  async ({ kind, code, said }) => {
    const world = await withHistory(few)
    for (const [key, what] of [
      [CHUNK, 'chunks'],
      [MANIFEST, 'snapshots'],
    ] as const) {
      world.stub.fault({ kind, method: 'PUT', key })
      await expect(world.save(world.hasty)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(new RegExp(`^could not write \`${what}/.*: ${said}`)),
        hint: expect.any(String),
      })
      world.stub.clearFaults()
    }
    expect(await world.restored('old')).toEqual(world.first)
    expect(await world.save()).toMatchObject({ result: 'saved', generation: 2, sibling: false })
    expect(await world.restored('new')).toEqual(world.second)
  },
)

/** What is found out by waiting; whoever waits for a short time only may take a slow answer for it. */
const silences = [
  { title: 'a stall', kind: 'stall' as const, code: failing, said: 'the connection timed out' },
  { title: 'half a body', kind: 'short-body' as const, code: failing, said: 'the connection' },
]

test.for([
  { what: 'an answer', patience: few, faults: [...lasting, { ...errorPage, said: 'no object' }] },
  { what: 'a silence', patience: { ...few, stallMs: STALL_MS }, faults: silences },
])(
  '$what that lasts for every chunk ends a restore by its name, and the next succeeds',
  async ({ patience, faults }) => {
    const world = await withHistory(patience)
    const directory = join(world.base, 'other', 'nodes')
    for (const { title, kind, code, said } of faults) {
      world.stub.fault({ kind, method: 'GET', key: CHUNK })
      await expect(world.restore(directory, { store: world.hasty }), title).rejects.toMatchObject({
        code,
        message: expect.stringMatching(new RegExp(`^could not read \`chunks/.*${said}`)),
        hint: expect.any(String),
      })
      expect(existsSync(directory)).toBe(false)
      world.stub.clearFaults()
    }
    expect(await world.restore(directory)).toMatchObject({ result: 'restored', generation: 1 })
    expect(describeTree(directory)).toEqual(world.first)
  },
)

test('a put that is never answered is known again by what arrived', async () => {
  const world = await withHistory({ ...few, stallMs: STALL_MS })
  world.stub.fault({ kind: 'stall', method: 'PUT', key: CHUNK })
  world.stub.fault({ kind: 'stall', method: 'PUT', key: MANIFEST })
  expect(await world.save(world.hasty)).toMatchObject({
    result: 'saved',
    generation: 2,
    sibling: false,
  })
  world.stub.clearFaults()
  expect(await world.restored('new')).toEqual(world.second)
  expect(await world.save()).toMatchObject({ result: 'unchanged' })
})

test.for([
  ['a chunk', CHUNK],
  ['a manifest', MANIFEST],
])('each answer to a put of %s is lost: what arrived is known again', async ([, key]) => {
  const world = await withHistory(few)
  world.stub.fault({ kind: 'lose-answer', method: 'PUT', key: key as RegExp, times: 2 })
  expect(await world.save(world.hasty)).toMatchObject({
    result: 'saved',
    generation: 2,
    sibling: false,
  })
  expect(await world.restored('new')).toEqual(world.second)
  expect([...world.stub.objects.keys()].filter((found) => MANIFEST.test(found))).toHaveLength(2)
})

test('the commit went through, and no answer ever came: the next save knows it for its own', async () => {
  const world = await withHistory(few)
  const key = /00000002\.json\.zst$/
  world.stub.fault({ kind: 'lose-answer', method: 'PUT', key, times: 1 })
  world.stub.fault({ kind: 'reset', key })
  await expect(world.save(world.hasty)).rejects.toMatchObject({
    code: failing,
    message: expect.stringContaining('the connection was reset'),
  })
  world.stub.clearFaults()
  expect(await world.restored('new')).toEqual(world.second)
  expect(await world.save()).toMatchObject({ result: 'unchanged', generation: 2 })
  expect([...world.stub.objects.keys()].filter((found) => MANIFEST.test(found))).toHaveLength(2)
})

test('a 412 is another commit: both are kept, and the tree of each comes back', async () => {
  const world = await withHistory()
  const other = join(world.base, 'other', 'nodes')
  await world.restore(other)
  writeFileSync(join(other, 'theirs'), 'theirs')
  const theirs = describeTree(other)
  const they = { store: world.hasty, name, directory: other }
  expect(await saveTree(they)).toMatchObject({ result: 'saved', generation: 2 })
  const mine = await world.save()
  expect(mine).toMatchObject({ result: 'saved' })
  expect(world.stub.requests.some(({ status }) => status === 412)).toBe(true)
  expect(await world.restored('theirs', { at: '00000002' })).toEqual(theirs)
  const snapshots = [...world.stub.objects.keys()].filter((found) => MANIFEST.test(found))
  const names = snapshots.map((key) => key.replace(/.*\/@\/(.*)\.json\.zst$/, '$1'))
  const trees = await Promise.all(names.map((at) => world.restored(`pod-${at}`, { at })))
  const lines = new Set(trees.flat())
  const files = world.second.filter((line) => line.includes(' file '))
  expect(files.filter((line) => !lines.has(line))).toEqual([])
})

test.for(['refused', 'ignored'] as const)(
  'with conditional writes %s, nothing is overwritten and all comes back',
  async (conditionalWrites) => {
    const world = await withHistory({}, { conditionalWrites })
    const kept = new Map([...world.stub.objects].filter(([key]) => !key.includes('/latest/')))
    expect(await world.save()).toMatchObject({ result: 'saved', generation: 2 })
    for (const [key, object] of kept)
      expect(world.stub.objects.get(key)?.body.equals(object.body)).toBe(true)
    expect(await world.restored('new')).toEqual(world.second)
    expect(await world.restored('old', { at: '1' })).toEqual(world.first)
  },
)

test.for([3_600_000, -3_600_000])('a clock that is off by %i ms is no trouble', async (skewMs) => {
  const world = await withHistory({}, { skewMs })
  expect(await world.save()).toMatchObject({ result: 'saved', generation: 2 })
  expect(await world.restored('new')).toEqual(world.second)
  expect(await world.save()).toMatchObject({ result: 'unchanged' })
})

test('a slow drip is no stall', async () => {
  const world = await withHistory({ stallMs: 700 })
  expect(await world.save()).toMatchObject({ result: 'saved' })
  // A second and more for each; a pause of the machine's own is continued at full speed.
  world.stub.fault({ kind: 'slow', method: 'GET', key: /\.tar\.zst$/, times: 2 })
  expect(await world.restored('new', { store: world.hasty })).toEqual(world.second)
})

test('a 403 in place of a 404 is no obstacle, and none that lasts passes for an empty archive', async () => {
  const world = await setUp({ hidesMissing: true }, few)
  const target = join(world.base, 'other', 'nodes')
  expect(await world.restore(target)).toEqual({ result: 'absent' })
  const first = fill(world.directory, 1)
  expect(await world.save()).toMatchObject({ result: 'saved', generation: 1 })
  expect(await world.restored('new')).toEqual(first)
  const [chunk = ''] = [...world.stub.objects.keys()].filter((key) => CHUNK.test(key))
  world.stub.objects.delete(chunk)
  await expect(world.restore(target)).rejects.toMatchObject({
    code: 'archive/missing-chunk',
    message: expect.stringContaining(chunk.replace('pods/', '')),
  })
  world.stub.fault({ kind: { status: 403, code: 'AccessDenied' } })
  await expect(world.restore(join(world.base, 'third'))).rejects.toMatchObject({
    code: 'object-store/access-denied',
  })
})
