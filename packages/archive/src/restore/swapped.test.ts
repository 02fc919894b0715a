import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isBerthError } from '@berth/core/error'
import { openStore } from '@berth/object-store'
import { beforeAll, expect, test } from 'vitest'
import { restoreTree, saveTree } from '../index.ts'
import { createLimit } from '../workers/limit.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

// Every object that a restore reads from a store of two archives: damaged in every way, and exchanged with every other object.
const name = 'test/tree'
const LONG = 4_200_000
let root: string
let expected: string[]
let keys: string[]
/** Those without which the newest snapshot of `name` can't be restored, and those that are read and may be missing. */
let needed: string[]
let hints: string[]

/** Two archives of two generations each: groups and segments of equal length. */
beforeAll(async () => {
  const base = newDirectory()
  root = join(base, 'store')
  const store = await openStore(`file://${root}`, { env: {} })
  const trees: Record<string, string> = {
    [name]: join(base, 'one', 'tree'),
    other: join(base, 'two', 'tree'),
  }
  for (const generation of [1, 2]) {
    for (const [archive, directory] of Object.entries(trees)) {
      const letter = archive === name ? 'a' : 'b'
      if (generation === 1) fill(directory, letter)
      else tick()
      write(join(directory, 'changed'), `${letter}${generation + 6}`.repeat(500))
      const saved = await saveTree({ store, name: archive, directory })
      expect(saved).toMatchObject({ generation })
    }
  }
  expected = describeTree(trees[name] ?? '')
  keys = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted()
  const outcomes = await each(keys, async (key) => ({ key, ended: await restoreWithout(key) }))
  const chunks = outcomes.filter(({ ended }) => ended === 'refused').map(({ key }) => key)
  // A group of each generation, and a segment; what the other archive needs is not among them.
  expect(chunks.map((key) => key.replace(/.*[0-9a-f]{64}/, '')).toSorted()).toEqual([
    '.tar.zst',
    '.tar.zst',
    '.zst',
  ])
  needed = [...chunks, `snapshots/${name}/@/00000002.json.zst`]
  hints = [`latest/${name}/@`, 'berth.json']
}, 60_000)

/** Of one shape and one time: what is stored of it has the same length for every letter. */
function fill(tree: string, letter: string): void {
  mkdirSync(join(tree, 'below'), { recursive: true })
  for (let index = 0; index < 5; index++)
    write(join(tree, 'below', `f${index}`), `${letter}${index}`.repeat(500))
  write(join(tree, 'long'), Buffer.alloc(LONG, letter))
  symlinkSync('below', join(tree, 'link'))
}

function write(path: string, content: string | Buffer): void {
  writeFileSync(path, content)
  utimesSync(path, 1_500_000_000, 1_500_000_000)
}

/** A few at a time. */
function each<Item, Result>(items: readonly Item[], act: (item: Item) => Promise<Result>) {
  const run = createLimit(3)
  return Promise.all(items.map((item) => run(() => act(item))))
}

/** Other bytes under some names; `undefined` for none. */
type Changes = ReadonlyMap<string, Buffer | undefined>

/** A store with changes, for as long as an act takes, and an empty place to restore to. */
async function withCopy<Result>(
  changes: Changes,
  act: (copy: { store: Awaited<ReturnType<typeof openStore>>; place: string }) => Promise<Result>,
): Promise<Result> {
  const base = newDirectory()
  const copy = join(base, 'store')
  for (const key of keys) {
    mkdirSync(join(copy, key, '..'), { recursive: true })
    const bytes = changes.get(key)
    if (bytes !== undefined) writeFileSync(join(copy, key), bytes)
    else if (!changes.has(key)) copyFileSync(join(root, key), join(copy, key))
  }
  try {
    const store = await openStore(`file://${copy}`, { env: {} })
    return await act({ store, place: join(base, 'pod', 'tree') })
  } finally {
    rmSync(base, { recursive: true })
  }
}

/** Answers how a restore ended: with the whole tree, or with nothing in place and an error that names one of the objects. */
function restoreChanged(changes: Changes): Promise<'whole' | 'refused'> {
  return withCopy(changes, async ({ store, place }) => {
    const objects = [...changes.keys()]
    try {
      await restoreTree({ store, name, directory: place })
    } catch (error) {
      if (!isBerthError(error)) throw error
      expect(objects.filter((key) => error.message.includes(key)).length, error.message).not.toBe(0)
      expect(readdirSync(join(place, '..')).filter((entry) => entry !== '.berth')).toEqual([])
      return 'refused'
    }
    expect(describeTree(place), `${objects.join(' and ')} made another tree`).toEqual(expected)
    return 'whole'
  })
}

function restoreWithout(key: string): Promise<string> {
  // Without its newest manifest an archive ends one generation before, and that is no damage that anyone could see.
  if (key.endsWith('.json.zst')) return Promise.resolve('not tried')
  return restoreChanged(new Map([[key, undefined]]))
}

const read = (key: string): Buffer => readFileSync(join(root, key))

const damages: Record<string, (bytes: Buffer) => Buffer> = {
  'a bit flipped at its start': (bytes) => flip(bytes, 0),
  'a bit flipped behind its start': (bytes) => flip(bytes, 5),
  'a bit flipped in its middle': (bytes) => flip(bytes, bytes.length >> 1),
  'a bit flipped at its end': (bytes) => flip(bytes, bytes.length - 1),
  'its last byte cut off': (bytes) => bytes.subarray(0, -1),
  'its second half cut off': (bytes) => bytes.subarray(0, bytes.length >> 1),
  'nothing in it': () => Buffer.alloc(0),
}

function flip(bytes: Buffer, at: number): Buffer {
  const flipped = Buffer.from(bytes)
  flipped[at] = (flipped[at] ?? 0) ^ 4
  return flipped
}

test.each(Object.entries(damages))(
  'names any object with %s, and a hint so damaged changes nothing',
  async (_what, damage) => {
    const found = await each([...needed, ...hints], (key) =>
      restoreChanged(new Map([[key, damage(read(key))]])),
    )
    expect(found.slice(0, -1)).toEqual([...needed.map(() => 'refused'), 'whole'])
  },
  60_000,
)

test('restores the tree whatever has become of the objects that it does not need', async () => {
  const others = keys.filter((key) => !needed.includes(key) && key !== 'berth.json')
  expect(others.length).toBeGreaterThan(8)
  for (const damage of Object.values(damages)) {
    const changes = new Map(others.map((key) => [key, damage(read(key))]))
    expect(await restoreChanged(changes)).toBe('whole')
  }
}, 60_000)

test('names one of any two objects that are exchanged, and never takes one for the other', async () => {
  const pairs = [...needed, ...hints].flatMap((one, index) =>
    keys
      .filter((two) => ![...needed, ...hints].slice(0, index + 1).includes(two))
      .map((two) => [one, two] as const),
  )
  let equal = 0
  await each(pairs, async ([one, two]) => {
    const [first, second] = [read(one), read(two)]
    if (first.equals(second)) return
    if (first.length === second.length) equal += 1
    const changes = new Map([
      [one, second],
      [two, first],
    ])
    const found = await restoreChanged(changes)
    const isNeeded = needed.includes(one) || needed.includes(two)
    if (isNeeded) expect([one, two, found]).toEqual([one, two, 'refused'])
  })
  // The segments, and the groups of each generation.
  expect(equal).toBeGreaterThanOrEqual(3)
}, 120_000)

test('saves what is on the disk whatever has become of hashes and hints', async () => {
  const own = keys.filter((key) => key.startsWith(`snapshots/${name}/`) && key.endsWith('.hashes'))
  const helpers = [...own, `latest/${name}/@`]
  expect(helpers).toHaveLength(3)
  const others = keys.filter((key) => key.endsWith('.hashes') && !own.includes(key))
  const strangers = [...own, ...others.slice(0, 1), 'latest/other/@']
  const cases = helpers.flatMap((key) => [
    ...Object.values(damages)
      .slice(2, 4)
      .map((damage) => new Map([[key, damage(read(key))]])),
    ...strangers.map((other) => new Map([[key, read(other)]])),
  ])
  await each(cases, (changes) =>
    withCopy(changes, async ({ store, place }) => {
      await restoreTree({ store, name, directory: place })
      // Nothing is taken for known by its times.
      for (const file of ['f0', 'f1', 'f2', 'f3', 'f4'])
        utimesSync(join(place, 'below', file), 1_600_000_000, 1_600_000_000)
      const before = describeTree(place)
      expect(await saveTree({ store, name, directory: place })).toMatchObject({ generation: 3 })
      const again = join(place, '..', '..', 'again', 'tree')
      await restoreTree({ store, name, directory: again })
      expect(describeTree(again), [...changes.keys()].join()).toEqual(before)
    }),
  )
}, 120_000)
