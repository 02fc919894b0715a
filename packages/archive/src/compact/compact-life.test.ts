import { randomBytes } from 'node:crypto'
import {
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { requirement } from '@berth/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listSnapshots, pruneStore, restoreTree, saveTree, verifyArchive } from '../index.ts'
import { findLatest, readSnapshot } from '../snapshots/snapshots.ts'
import { findMissing, storedKeys, watchStore } from '../snapshots/store-testing.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'
import { measureUse } from './chunk-use.ts'

const name = 'pods/data'
const BOUNDS = { leastDeadBytes: 1, smallGroups: 4 }
const FILES = 14

/** What happens to one of a few paths, by numbers. */
interface Change {
  kind: 'write' | 'remove' | 'touch' | 'rename' | 'copy' | 'long' | 'hard' | 'link'
  at: number
  to: number
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(
    'write',
    'write',
    'write',
    'write',
    'remove',
    'touch',
    'rename',
    'copy',
    'long',
    'hard',
    'link',
  ),
  at: fc.nat(FILES - 1),
  to: fc.nat(FILES - 1),
})

/** Some names that a tar's header has no room for. */
function pathOf(root: string, number: number): string {
  const folder = ['lib/site-packages/a', 'custom_nodes/b', `${'deep/'.repeat(40)}c`, 'd'][
    number % 4
  ]
  return join(root, folder ?? '', number % 5 === 0 ? `ü${'n'.repeat(110)}${number}` : `f${number}`)
}

function apply(root: string, { kind, at, to }: Change): void {
  const [path, other] = [pathOf(root, at), pathOf(root, to)]
  mkdirSync(dirname(path), { recursive: true })
  mkdirSync(dirname(other), { recursive: true })
  const isThere = existsSync(path)
  if (kind === 'write') writeFileSync(path, randomBytes(500 + 900 * to))
  else if (kind === 'long') writeFileSync(path, Buffer.alloc(4_200_000, `${at} ${to % 3}`))
  else if (kind === 'link') {
    rmSync(other, { force: true })
    symlinkSync('nowhere', other)
  } else if (!isThere) return
  else if (kind === 'remove') rmSync(path)
  else if (kind === 'touch') utimesSync(path, 1e9 + to, 1e9 + to)
  else if (path === other) return
  else if (kind === 'rename') renameSync(path, other)
  else if (kind === 'copy') writeFileSync(other, 'the same in each')
  else {
    rmSync(other, { force: true })
    linkSync(path, other)
  }
}

async function restored(store: ObjectStore, at?: string): Promise<string[]> {
  const directory = join(newDirectory(), 'data')
  await restoreTree({ store, name, directory, at })
  const found = describeTree(directory)
  rmSync(dirname(directory), { recursive: true })
  return withoutFolderTimes(found)
}

/** A folder's or a link's own time is not worth a snapshot. */
function withoutFolderTimes(lines: string[]): string[] {
  return lines.map((line) => (/ (directory|link) /.test(line) ? line.replace(/ -?\d+$/, '') : line))
}

async function expectCompact(store: ObjectStore): Promise<void> {
  const latest = await findLatest(store, name)
  const use = measureUse(await readSnapshot(store, name, latest?.name ?? ''))
  const dead = use.groups.reduce((sum, group) => sum + group.dead, 0)
  expect(dead).toBeLessThanOrEqual(use.fetched / 4)
  expect(use.groups.filter(({ live }) => live < 1e6).length).toBeLessThanOrEqual(BOUNDS.smallGroups)
}

const start: Change[] = Array.from({ length: FILES }, (_, at) => ({ kind: 'write', at, to: at }))

test('whatever happens to a tree, each snapshot stays what it was, and no more than a quarter is dead', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { minLength: 1, maxLength: 7 }), { minLength: 3, maxLength: 8 }),
      async (rounds) => {
        const base = newDirectory()
        const root = join(base, 'store')
        const store = await openStore(`file://${root}`, { env: {} })
        const directory = join(base, 'pod', 'data')
        const expected = new Map<string, string[]>()
        for (const changes of [start, ...rounds]) {
          for (const each of changes) apply(directory, each)
          const result = await saveTree({
            store,
            name,
            directory,
            acceptVanished: true,
            compact: BOUNDS,
          })
          const now = withoutFolderTimes(describeTree(directory))
          const latest = (await findLatest(store, name))?.name ?? ''
          expected.set(latest, now)
          if (result.result === 'saved') expected.set(result.snapshot, now)
          // Roughly measured, the headers of odd names count as dead.
          if ('compacted' in result) await expectCompact(store)
          const keys = storedKeys(root)
          expect(await saveTree({ store, name, directory, compact: BOUNDS })).toMatchObject({
            result: 'unchanged',
          })
          expect(storedKeys(root)).toEqual(keys)
          tick()
        }
        const snapshots = await listSnapshots(store, name, { changes: true })
        expect(new Set(snapshots.map((snapshot) => snapshot.name))).toEqual(
          new Set(expected.keys()),
        )
        for (const { name: at, compacted, changes } of snapshots) {
          expect(await restored(store, at)).toEqual(expected.get(at))
          if (compacted) expect(changes).toMatchObject({ added: 0, changed: 0, removed: 0 })
        }
        expect((await verifyArchive({ store, name })).problems).toEqual([])
        rmSync(base, { recursive: true })
      },
    ),
    { numRuns: Number(process.env['BERTH_PROPERTY_RUNS'] ?? 4) },
  )
}, 600_000)

class Cut extends Error {}

/** A pod whose tree is half dead in the store. */
async function halfDead(store: ObjectStore, directory: string): Promise<void> {
  for (const each of start) apply(directory, each)
  await saveTree({ store, name, directory })
  for (const { at } of start.slice(4)) apply(directory, { kind: 'write', at, to: at })
  await saveTree({ store, name, directory })
  tick()
}

test('a compaction that ends at any of its requests leaves a whole snapshot, and the next one completes', async () => {
  let requests = 0
  for (let end = 0; end <= requests; end++) {
    const base = newDirectory()
    const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
    const directory = join(base, 'pod', 'data')
    await halfDead(store, directory)
    const before = withoutFolderTimes(describeTree(directory))
    let seen = 0
    const cut = watchStore(store, async () => {
      if (seen++ >= end) throw new Cut('cut')
    })
    const notes: string[] = []
    const onNote = (level: string, text: string) => notes.push(`${level} ${text}`)
    // The first requests are the save's own: it fails, or what comes behind it does.
    const saved = await saveTree({ store: cut, name, directory, compact: BOUNDS, onNote }).catch(
      (error: unknown) => {
        expect(error).toBeInstanceOf(Cut)
      },
    )
    if (saved !== undefined && !('compacted' in saved))
      expect(notes.join()).toContain('not compacted')
    requests = Math.max(requests, seen)
    expect(await restored(store)).toEqual(before)
    apply(directory, { kind: 'write', at: 0, to: 3 })
    const next = await saveTree({ store, name, directory, compact: BOUNDS })
    expect(next).toMatchObject({ result: 'saved', sibling: false })
    await expectCompact(store)
    expect(await restored(store)).toEqual(withoutFolderTimes(describeTree(directory)))
    expect(await findMissing(store)).toEqual([])
    rmSync(base, { recursive: true })
  }
  expect(requests).toBeGreaterThan(10)
}, 120_000)

test('another pod’s save or prune at any request of a compaction is neither lost nor dangerous', async () => {
  const interferences = ['save', 'compact', 'prune'] as const
  // The first are the save's own.
  let requests = 4
  for (let at = 4; at <= requests; at += 2) {
    for (const interference of interferences) {
      const base = newDirectory()
      const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
      const pod = (number: number) => join(base, `pod-${number}`, 'data')
      await halfDead(store, pod(1))
      await restoreTree({ store, name, directory: pod(2) })
      apply(pod(2), { kind: 'write', at: 1, to: 5 })
      let seen = 0
      const watched = watchStore(store, async () => {
        if (seen++ !== at) return
        const other = { store, name, directory: pod(2) }
        if (interference === 'save') await saveTree(other)
        else if (interference === 'compact') await saveTree({ ...other, compact: BOUNDS })
        else await pruneStore({ store, retention: { keepLast: 1, keepDaily: 0 } })
      })
      await saveTree({ store: watched, name, directory: pod(1), compact: BOUNDS })
      requests = Math.max(requests, Math.min(seen, 40))
      if (interference === 'prune') await saveTree({ store, name, directory: pod(2) })
      const newest = await restored(store)
      const of = (lines: string[]) => lines.filter((line) => !line.includes('/f1 '))
      expect(of(newest)).toEqual(of(withoutFolderTimes(describeTree(pod(1)))))
      if (seen > at) expect(newest).toEqual(withoutFolderTimes(describeTree(pod(2))))
      expect((await listSnapshots(store, name)).filter(({ sibling }) => sibling)).toEqual([])
      expect((await verifyArchive({ store, name })).problems).toEqual([])
      rmSync(base, { recursive: true })
    }
  }
  expect(requests).toBeGreaterThan(10)
}, 300_000)

requirement('s3', missingS3Server() ?? true)(
  'compacts on a real server, and puts nothing when there is no more to do',
  async () => {
    const server = await startS3Server()
    try {
      const base = newDirectory()
      const store = await openStore(server.url, { env: server.env })
      const directory = join(base, 'pod', 'data')
      await halfDead(store, directory)
      const saved = await saveTree({ store, name, directory, compact: BOUNDS })
      expect(saved).toMatchObject({ result: 'unchanged', generation: 3, compacted: {} })
      await expectCompact(store)
      expect(await restored(store)).toEqual(withoutFolderTimes(describeTree(directory)))
      const listed = async () => {
        const keys: string[] = []
        for await (const { key } of store.list('')) keys.push(key)
        return keys
      }
      const keys = await listed()
      expect(await saveTree({ store, name, directory, compact: BOUNDS })).toEqual({
        result: 'unchanged',
        generation: 3,
        files: FILES,
      })
      expect(await listed()).toEqual(keys)
      await store.close()
    } finally {
      await server.close()
    }
  },
)
