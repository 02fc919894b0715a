import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listSnapshots, verifyArchive } from '@berth/archive'
import { mayMount, requirement } from '@berth/core/testing'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { afterAll, beforeAll, expect } from 'vitest'
import { type Bench, Lane, type Listing, makeTree, readTree } from './kill-lane.ts'
import {
  type Ended,
  type Killer,
  Points,
  atCall,
  atNothing,
  atRequest,
  atStep,
  hasStrace,
} from './killing.ts'
import { mountTmpfs } from './mounted.ts'

// Memory, where there is enough of it: hundreds of trees are made and removed here.
const ROOT =
  fs.existsSync('/dev/shm') &&
  fs.statfsSync('/dev/shm').bavail * fs.statfsSync('/dev/shm').bsize > 2e9
    ? '/dev/shm'
    : tmpdir()
const LANES = 3
const TIMEOUT_MS = 600_000

const s3Lane = missingS3Server() ?? true
const straceLane = s3Lane === true ? hasStrace() : s3Lane
const mountLane = s3Lane === true ? mayMount() : s3Lane

let bench: Bench

beforeAll(async () => {
  if (s3Lane !== true) return
  bench = { s3: await startS3Server(), base: fs.mkdtempSync(join(ROOT, 'berth-kill-')) }
  // Only a child that ends by itself leaves what node made of its sources to those after it.
  for (const inDirectory of [true, false]) {
    const lane = await Lane.open(bench, `first-${inDirectory}`, inDirectory)
    await lane.kill(atNothing, 'restore', lane.at('other'))
    makeTree(lane.at('other'), 1)
    await lane.kill(atNothing, 'save', lane.at('other'))
    await lane.close()
  }
})

afterAll(async () => {
  await bench?.s3.close()
  if (bench !== undefined) fs.rmSync(bench.base, { recursive: true, force: true })
})

type Round = (lane: Lane, killer: Killer) => Promise<Ended[]>

/** Changes the tree, has its save killed, and checks that the archive holds all of the old or all of the new, and that the next save completes. */
async function killSave(lane: Lane, killer: Killer): Promise<Ended[]> {
  const directory = lane.at('pod')
  makeTree(directory, ++lane.round)
  const after = readTree(directory)
  const ended = await lane.kill(killer, 'save', directory)
  expect([lane.before, after]).toContainEqual(await newest(lane))
  const next = await lane.save(directory)
  expect(next).not.toMatchObject({ sibling: true })
  if (next.result === 'saved') expect(await newest(lane)).toEqual(after)
  lane.expectTidy('pod')
  lane.before = after
  return [ended]
}

/** Has a compaction killed, of an archive of which a part is dead: its files are what they were, and the next compaction completes. */
async function killCompaction(lane: Lane, killer: Killer): Promise<Ended[]> {
  const directory = lane.at('pod')
  makeTree(directory, ++lane.round)
  await lane.save(directory)
  const after = readTree(directory)
  const ended = await lane.kill(killer, 'compact', directory)
  expect(await newest(lane)).toEqual(after)
  await lane.kill(atNothing, 'compact', directory)
  expect(await newest(lane)).toEqual(after)
  expect(await lane.save(directory)).toMatchObject({ result: 'unchanged' })
  const [info] = await listSnapshots(lane.store, lane.name)
  expect(info?.compacted).toBe(true)
  lane.expectTidy('pod')
  return [ended]
}

async function newest(lane: Lane): Promise<Listing> {
  const restored = await lane.restore(lane.at('survivor'))
  expect(restored.result).toBe('restored')
  const found = readTree(lane.at('survivor'))
  lane.forget('survivor')
  return found
}

/** Two pods on one base: while the save of one is killed, the other's is in the history already. */
async function killLateSave(lane: Lane, killer: Killer): Promise<Ended[]> {
  const round = ++lane.round
  lane.forget('one')
  for (const pod of round === 1 ? ['one', 'two'] : ['one']) await lane.restore(lane.at(pod))
  for (const pod of ['one', 'two']) {
    fs.mkdirSync(join(lane.at(pod), pod), { recursive: true })
    fs.writeFileSync(join(lane.at(pod), pod, `by-${pod}`), `${pod} ${round}`.repeat(1000))
  }
  expect(await lane.save(lane.at('two'))).toMatchObject({ result: 'saved' })
  const ended = await lane.kill(killer, 'save', lane.at('one'))
  const found = await newest(lane)
  expectContent(found, readTree(lane.at('two')), 'two/by-two')
  await lane.save(lane.at('one'))
  lane.expectTidy('one')
  // In the history or beside it, but never nowhere.
  const places = await allSnapshots(lane)
  const own = readTree(lane.at('one')).get('one/by-one')
  expect(places.map((place) => place.get('one/by-one'))).toContain(own)
  return [ended]
}

function expectContent(found: Listing, expected: Listing, path: string): void {
  expect(found.get(path)).toBe(expected.get(path))
}

/** The newest of the history, and whatever a boot is told of beside it. */
async function allSnapshots(lane: Lane): Promise<Listing[]> {
  const restored = await lane.restore(lane.at('fresh'))
  const siblings = 'siblings' in restored ? restored.siblings : []
  const found = [readTree(lane.at('fresh'))]
  lane.forget('fresh')
  for (const sibling of siblings.slice(0, 1)) {
    await lane.restore(lane.at('beside'), sibling)
    found.push(readTree(lane.at('beside')))
    lane.forget('beside')
  }
  return found
}

/** Has a restore into an empty place killed, and checks that the place is empty or complete, and that the next restore completes. */
async function killRestore(lane: Lane, killer: Killer): Promise<Ended[]> {
  const pod = `place-${++lane.round}`
  fs.mkdirSync(join(lane.root, pod))
  const ended = await lane.kill(killer, 'restore', lane.at(pod))
  await expectRestore(lane, pod)
  return [ended]
}

/** Kills the restore that continues a killed one, too. */
async function killRestoreTwice(lane: Lane, killer: Killer): Promise<Ended[]> {
  const pod = `place-${++lane.round}`
  fs.mkdirSync(join(lane.root, pod))
  const first = await lane.kill(killer, 'restore', lane.at(pod))
  const second = await lane.kill(killer, 'restore', lane.at(pod))
  await expectRestore(lane, pod)
  return [first, second]
}

async function expectRestore(lane: Lane, pod: string): Promise<void> {
  const directory = lane.at(pod)
  if (fs.existsSync(directory)) expect(readTree(directory)).toEqual(lane.before)
  expect(['restored', 'kept']).toContain((await lane.restore(directory)).result)
  expect(readTree(directory)).toEqual(lane.before)
  expect(await lane.save(directory)).toMatchObject({ result: 'unchanged' })
  lane.expectTidy(pod)
  lane.forget(pod)
}

/** Kills a restore into a mounted directory that holds a user's files: they are aside or still there, and the next restore completes. */
async function killIntoMount(lane: Lane, killer: Killer): Promise<Ended[]> {
  const directory = lane.at('mounted')
  for (const name of fs.readdirSync(directory))
    fs.rmSync(join(directory, name), { recursive: true })
  for (const name of ['link', 'mine']) fs.writeFileSync(join(directory, name), `a user's ${name}`)
  const ended = await lane.kill(killer, 'restore', directory)
  // What is neither of the two trees is never saved.
  const names = [...readTree(directory).keys()].join()
  const isWhole = names === [...lane.before.keys()].join()
  if (names !== 'link,mine' && !isWhole)
    await expect(lane.save(directory)).rejects.toMatchObject({ code: 'archive/incomplete-restore' })
  await lane.restore(directory)
  expect(readTree(directory)).toEqual(lane.before)
  const state = join(directory, '.berth')
  const aside = fs.readdirSync(state).filter((name) => name.startsWith('aside-'))
  const kept = aside.flatMap((name) =>
    fs
      .readdirSync(join(state, name))
      .map((file) => fs.readFileSync(join(state, name, file), 'utf8')),
  )
  expect(kept.toSorted()).toEqual(["a user's link", "a user's mine"])
  expect(await lane.save(directory)).toMatchObject({ result: 'unchanged' })
  return [ended]
}

/** Kills a prune of an archive of two generations: the newest stays whole, and further prunes leave just what it needs. */
async function killPrune(lane: Lane, killer: Killer): Promise<Ended[]> {
  const directory = lane.at('pod')
  makeTree(directory, ++lane.round)
  await lane.save(directory)
  const after = readTree(directory)
  // The first call marks, the second removes.
  const ended = [
    await lane.kill(killer, 'prune', directory),
    await lane.kill(killer, 'prune', directory),
  ]
  expect(await newest(lane)).toEqual(after)
  for (let call = 0; call < 3; call++) await lane.kill(atNothing, 'prune', directory)
  const { snapshots, chunks, problems } = await verifyArchive({
    store: lane.store,
    name: lane.name,
  })
  expect({ snapshots, problems }).toEqual({ snapshots: 1, problems: [] })
  const stored: string[] = []
  for await (const { key } of lane.store.list('chunks/')) stored.push(key)
  expect(stored).toHaveLength(chunks)
  expect(await lane.save(directory)).toMatchObject({ result: 'unchanged' })
  return ended
}

/** Kills a repair of a chunk that is damaged: no prior damage is worse, and the next repair completes. */
async function killRepair(lane: Lane, killer: Killer): Promise<Ended[]> {
  const chunks: string[] = []
  for await (const { key } of lane.store.list('chunks/')) chunks.push(key)
  const victim = chunks[lane.round++ % chunks.length] ?? ''
  await lane.store.remove([victim])
  const ended = await lane.kill(killer, 'repair', lane.at('pod'))
  await lane.kill(atNothing, 'repair', lane.at('pod'))
  expect((await verifyArchive({ store: lane.store, name: lane.name })).problems).toEqual([])
  expect(await newest(lane)).toEqual(lane.before)
  return [ended]
}

interface Series {
  id: string
  kills: number
  inDirectory: boolean
  round: Round
  killer: () => Killer
  prepare?: (lane: Lane) => void
}

/** Rounds on a few lanes until enough children have died in the middle; answers at which points. */
async function killMany({ id, kills, inDirectory, round, killer, prepare }: Series) {
  const points: string[] = []
  const kill = killer()
  const startedAt = performance.now()
  let rounds = 0
  const open = (number: number) => Lane.open(bench, `${id}-${number}`, inDirectory)
  const runLane = async (lane: Lane): Promise<void> => {
    while (points.length < kills && rounds++ < kills * 2) {
      for (const ended of await round(lane, kill)) {
        if (ended.killed) points.push(ended.point)
        else expect(ended.said).toContain('"peakBytes"')
      }
    }
    // Not only the newest: every snapshot that was ever committed is whole.
    expect((await verifyArchive({ store: lane.store, name: lane.name })).problems).toEqual([])
  }
  const lanes = await Promise.all(Array.from({ length: LANES }, (_, number) => open(number)))
  for (const lane of lanes) prepare?.(lane)
  await Promise.all(lanes.map(runLane))
  for (const lane of lanes) await lane.close()
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  console.log(`${id}: ${points.length} kills at ${new Set(points).size} points in ${seconds} s`)
  expect(points.length).toBeGreaterThanOrEqual(kills)
  return new Set(points).size
}

const rounds = { save: killSave, restore: killRestore }

for (const [verb, round] of Object.entries(rounds)) {
  requirement('s3', s3Lane)(
    `a ${verb} that is killed at every request leaves a whole snapshot, and the next one completes`,
    async () => {
      const killer = () => atRequest(new Points())
      const id = `${verb}-request`
      const points = await killMany({ id, kills: 80, inDirectory: false, round, killer })
      expect(points).toBeGreaterThan(10)
    },
    TIMEOUT_MS,
  )

  requirement('s3', s3Lane)(
    `a ${verb} that is killed at every step, be it a rename or a line of a journal, leaves a whole snapshot, and the next one completes`,
    async () => {
      const killer = () => atStep(new Points())
      const id = `${verb}-step`
      const points = await killMany({ id, kills: 120, inDirectory: true, round, killer })
      expect(points).toBeGreaterThan(40)
    },
    TIMEOUT_MS,
  )

  requirement('strace', straceLane)(
    `a ${verb} that the kernel kills at every change of a directory leaves a whole snapshot, and the next one completes`,
    async () => {
      const killer = () => atCall(new Points())
      const id = `${verb}-call`
      const points = await killMany({ id, kills: 25, inDirectory: true, round, killer })
      expect(points).toBeGreaterThan(10)
    },
    TIMEOUT_MS,
  )
}

requirement('s3', s3Lane)(
  'a save that another came before is killed at every request, and neither loses anything',
  async () => {
    const killer = () => atRequest(new Points())
    const round = killLateSave
    const points = await killMany({ id: 'late', kills: 30, inDirectory: false, round, killer })
    expect(points).toBeGreaterThan(10)
  },
  TIMEOUT_MS,
)

requirement('s3', s3Lane)(
  'a restore that is killed, and killed again where the next continues it, completes the third time',
  async () => {
    const killer = () => atStep(new Points(3))
    const round = killRestoreTwice
    const points = await killMany({ id: 'twice', kills: 80, inDirectory: true, round, killer })
    expect(points).toBeGreaterThan(20)
  },
  TIMEOUT_MS,
)

requirement('mount', mountLane)(
  'a restore into a mounted disk that is killed at every step loses nothing of a user, and the next one completes',
  async () => {
    const killer = () => atStep(new Points(2))
    const prepare = (lane: Lane) => mountTmpfs(lane.at('mounted'), 'size=64m')
    const series = { id: 'mount', kills: 60, inDirectory: true, round: killIntoMount }
    const points = await killMany({ ...series, killer, prepare })
    expect(points).toBeGreaterThan(20)
  },
  TIMEOUT_MS,
)

requirement('s3', s3Lane)(
  'a compaction that is killed at every request leaves the files of the newest snapshot what they were, and the next one completes',
  async () => {
    const killer = () => atRequest(new Points())
    const round = killCompaction
    const points = await killMany({ id: 'compact', kills: 40, inDirectory: false, round, killer })
    expect(points).toBeGreaterThan(10)
  },
  TIMEOUT_MS,
)

requirement('s3', s3Lane)(
  'a compaction that is killed at every step leaves the files of the newest snapshot what they were, and the next one completes',
  async () => {
    const killer = () => atStep(new Points(2))
    const series = { id: 'compact-step', kills: 30, inDirectory: true, round: killCompaction }
    const points = await killMany({ ...series, killer })
    expect(points).toBeGreaterThan(20)
  },
  TIMEOUT_MS,
)

for (const [verb, round] of Object.entries({ prune: killPrune, repair: killRepair })) {
  requirement('s3', s3Lane)(
    `a ${verb} that is killed at every step leaves the newest snapshot what it was, and the next one completes`,
    async () => {
      const killer = () => atStep(new Points())
      const points = await killMany({ id: verb, kills: 25, inDirectory: true, round, killer })
      expect(points).toBeGreaterThan(8)
    },
    TIMEOUT_MS,
  )
}
