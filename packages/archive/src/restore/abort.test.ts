import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { beforeAll, expect, test } from 'vitest'
import { restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'test/tree'
let source: string
let url: string

beforeAll(async () => {
  const base = newDirectory()
  source = join(base, 'source', 'tree')
  for (let folder = 0; folder < 25; folder++) {
    mkdirSync(join(source, `d${folder}`), { recursive: true })
    for (let file = 0; file < 40; file++)
      writeFileSync(join(source, `d${folder}`, `f${file}`), `${folder} ${file} `.repeat(200))
  }
  writeFileSync(join(source, 'long'), randomBytes(70_000_000))
  url = `file://${join(base, 'store')}`
  await saveTree({ store: await openStore(url, { env: {} }), name, directory: source })
})

/** A store that aborts at its n-th request. */
function abortAt(store: ObjectStore, count: number) {
  const controller = new AbortController()
  let requests = 0
  const step = (): void => {
    if (++requests === count) controller.abort(new Error('stop'))
  }
  const aborting: ObjectStore = {
    url: store.url,
    supportsConditionalWrites: (options) => (step(), store.supportsConditionalWrites(options)),
    get: (key, options) => (step(), store.get(key, options)),
    stream: (key, sink, options) => (step(), store.stream(key, sink, options)),
    expectReads: (count) => store.expectReads(count),
    put: (key, body, options) => (step(), store.put(key, body, options)),
    head: (key, options) => (step(), store.head(key, options)),
    list: (prefix, options) => (step(), store.list(prefix, options)),
    remove: (keys, options) => (step(), store.remove(keys, options)),
    close: () => store.close(),
  }
  return { controller, aborting, requests: () => requests }
}

function countThreads(): number {
  return readdirSync('/proc/self/task').length
}

test('a save that is aborted at any request or moment ends soon, and the next one completes it', async () => {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const before = countThreads()
  for (const count of [1, 2, 4, 6, 8, 10, 13]) {
    const directory = join(base, 'pod', 'tree')
    rmSync(join(base, 'pod'), { recursive: true, force: true })
    mkdirSync(join(base, 'pod'))
    process.getBuiltinModule('node:child_process').execFileSync('cp', ['-a', source, directory])
    writeFileSync(join(directory, `new${count}`), randomBytes(5_000_000))
    const { controller, aborting } = abortAt(store, count)
    let abortedAt = 0
    controller.signal.addEventListener('abort', () => (abortedAt = performance.now()))
    const result = await saveTree({
      store: aborting,
      name,
      directory,
      signal: controller.signal,
    }).catch((error: Error) => error)
    if (result instanceof Error) expect(performance.now() - abortedAt).toBeLessThan(5000)
    tick()
    expect(await saveTree({ store, name, directory })).not.toMatchObject({ sibling: true })
    const back = join(base, 'back', 'tree')
    await restoreTree({ store, name, directory: back })
    expect(readdirSync(back)).toContain(`new${count}`)
    rmSync(join(base, 'back'), { recursive: true })
  }
  expect(countThreads()).toBeLessThanOrEqual(before + 1)
}, 180_000)

test('a restore that is aborted at any request or moment ends soon, and the next one completes it', async () => {
  const store = await openStore(url, { env: {} })
  const before = countThreads()
  for (let round = 0; round < 10; round++) {
    const base = newDirectory()
    const directory = join(base, 'tree')
    // By request first, then by time.
    const { controller, aborting } = abortAt(store, round < 5 ? 2 * round + 1 : 1000)
    if (round >= 5) setTimeout(() => controller.abort(new Error('stop')), (round - 5) * 90)
    let abortedAt = 0
    controller.signal.addEventListener('abort', () => (abortedAt = performance.now()))
    const result = await restoreTree({
      store: aborting,
      name,
      directory,
      signal: controller.signal,
    }).catch((error: Error) => error)
    if (result instanceof Error) {
      expect(performance.now() - abortedAt).toBeLessThan(5000)
      expect(readdirSync(base).filter((entry) => entry !== '.berth')).toEqual([])
    }
    const again = await restoreTree({ store, name, directory })
    expect(['restored', 'kept']).toContain(again.result)
    expect(describeTree(directory)).toEqual(describeTree(source))
    rmSync(base, { recursive: true })
  }
  expect(countThreads()).toBeLessThanOrEqual(before + 1)
}, 180_000)
