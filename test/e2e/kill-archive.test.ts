import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { restoreTree, saveTree, verifyArchive } from '@berth/archive'
import { requirement } from '@berth/core/testing'
import { type ObjectStore, openStore } from '@berth/object-store'
import {
  type S3Server,
  missingS3Server,
  startCountingProxy,
  startS3Server,
} from '@berth/object-store/testing'
import { afterAll, beforeAll, expect } from 'vitest'

// Memory, where there is enough of it: hundreds of trees are made and removed here.
const ROOT =
  existsSync('/dev/shm') && statfsSync('/dev/shm').bavail * statfsSync('/dev/shm').bsize > 2e9
    ? '/dev/shm'
    : tmpdir()
const CHILD = join(import.meta.dirname, 'archive-child.ts')
const LANES = 4
// For each of save and restore, by requests and by calls: 200 of each.
const KILLS = 100

const hasS3 = missingS3Server() ?? true
const hasStrace = has('strace') ? true : 'strace is not installed'

let s3: S3Server
let base: string

function has(command: string): boolean {
  try {
    execFileSync(command, ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

beforeAll(async () => {
  if (hasS3 !== true) return
  s3 = await startS3Server()
  base = mkdtempSync(join(ROOT, 'berth-kill-'))
})

afterAll(async () => {
  await s3?.close()
  if (base !== undefined) rmSync(base, { recursive: true, force: true })
})

/** Three packages, two long files and links; a later state differs in a part of them. */
function makeTree(root: string, state: number): void {
  for (const folder of ['a', 'b', 'c']) {
    mkdirSync(join(root, 'site-packages', folder), { recursive: true })
    for (let index = 0; index < 12; index++) {
      const seed = folder === 'b' ? `${folder}${index}${state}` : `${folder}${index}`
      writeFileSync(join(root, 'site-packages', folder, `f${index}.py`), seed.repeat(3000 * index))
    }
  }
  writeFileSync(join(root, 'long-one'), Buffer.alloc(5_000_000, `long ${state}`))
  writeFileSync(join(root, 'long-two'), Buffer.alloc(4_500_000, 'the same'))
  rmSync(join(root, `only-${state - 1}`), { force: true })
  writeFileSync(join(root, `only-${state}`), String(state))
  mkdirSync(join(root, 'empty'), { recursive: true })
  rmSync(join(root, 'lib'), { force: true })
  symlinkSync('site-packages', join(root, 'lib'))
}

function readTree(root: string): Map<string, string> {
  const entries = new Map<string, string>()
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const absolute = join(root, path)
    const stats = lstatSync(absolute)
    const content = stats.isSymbolicLink()
      ? readlinkSync(absolute)
      : stats.isFile()
        ? createHash('sha256').update(readFileSync(absolute)).digest('hex')
        : ''
    entries.set(path, `${stats.mode.toString(8)} ${content}`)
  }
  return entries
}

type Child = {
  process: ChildProcess
  ended: Promise<{ signal: NodeJS.Signals | null; code: number | null; said: string }>
}

function start(command: string[], env: NodeJS.ProcessEnv): Child {
  const child = spawn(command[0] ?? '', command.slice(1), {
    // strace counts by thread: with one for all file calls they can be enumerated.
    env: { PATH: process.env['PATH'], UV_THREADPOOL_SIZE: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => (said += chunk))
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk))
  const ended = new Promise<{ signal: NodeJS.Signals | null; code: number | null; said: string }>(
    (resolve) => child.once('close', (code, signal) => resolve({ code, signal, said })),
  )
  return { process: child, ended }
}

/** Each lane has an archive and a pod of its own, and goes on from round to round as a pod does that is killed again and again. */
interface Lane {
  name: string
  url: string
  root: string
  store: ObjectStore
  round: number
  /** What the archive held when the round began. */
  before: Map<string, string>
}

async function openLane(id: string, inDirectory: boolean): Promise<Lane> {
  const root = join(base, id)
  mkdirSync(join(root, 'pod'), { recursive: true })
  const url = inDirectory
    ? `file://${join(root, 'store')}`
    : s3.url.replace(s3.endpoint, s3.directEndpoint)
  const store = await openStore(url, { env: s3.env })
  makeTree(join(root, 'pod', 'tree'), 0)
  await saveTree({ store, name: `kill/${id}`, directory: join(root, 'pod', 'tree'), level: 'fast' })
  return {
    name: `kill/${id}`,
    url,
    root,
    store,
    round: 0,
    before: readTree(join(root, 'pod', 'tree')),
  }
}

type Killer = (url: string, child: (url: string, prefix: string[]) => Child) => Promise<Ended>

/** Changes the tree, has its save killed, and checks that the archive holds all of the old or all of the new, and that the next save completes. */
async function killSave(lane: Lane, kill: Killer): Promise<Ended> {
  const directory = join(lane.root, 'pod', 'tree')
  makeTree(directory, ++lane.round)
  const after = readTree(directory)
  const ended = await kill(lane.url, (url, prefix) =>
    start([...prefix, process.execPath, CHILD, 'save', directory, url, lane.name], s3.env),
  )
  const survivor = join(lane.root, 'survivor', 'tree')
  const restored = await restoreTree({ store: lane.store, name: lane.name, directory: survivor })
  expect(restored.result).toBe('restored')
  const found = readTree(survivor)
  expect([lane.before, after]).toContainEqual(found)
  const next = await saveTree({ store: lane.store, name: lane.name, directory, level: 'fast' })
  // A commit whose record was cut off is its own parent's rival: the same state lies beside it, and the pod begins anew.
  const isBeside = next.result === 'saved' && next.sibling
  if (isBeside) {
    expect(found).toEqual(after)
    rmSync(join(lane.root, 'pod', '.berth'), { recursive: true })
    expect(
      await saveTree({ store: lane.store, name: lane.name, directory, level: 'fast' }),
    ).toMatchObject({ result: 'unchanged' })
  }
  rmSync(join(lane.root, 'survivor'), { recursive: true })
  lane.before = after
  return ended
}

/** Has a restore into an empty place killed, and checks that the place is empty or complete, and that the next restore completes. */
async function killRestore(lane: Lane, kill: Killer): Promise<Ended> {
  const root = join(lane.root, `place-${++lane.round}`)
  const directory = join(root, 'tree')
  mkdirSync(root)
  const ended = await kill(lane.url, (url, prefix) =>
    start([...prefix, process.execPath, CHILD, 'restore', directory, url, lane.name], s3.env),
  )
  if (existsSync(directory)) expect(readTree(directory)).toEqual(lane.before)
  const result = await restoreTree({ store: lane.store, name: lane.name, directory })
  expect(['restored', 'kept']).toContain(result.result)
  expect(readTree(directory)).toEqual(lane.before)
  expect(await saveTree({ store: lane.store, name: lane.name, directory })).toMatchObject({
    result: 'unchanged',
  })
  expect(readdirSync(root).toSorted()).toEqual(['.berth', 'tree'])
  rmSync(root, { recursive: true })
  return ended
}

const verbs = { save: killSave, restore: killRestore }

interface Ended {
  killed: boolean
  /** What the child was doing. */
  point: string
  said: string
}

/** At request n: before the server gets it, or after the server has carried it out and before the child knows. */
function atRequest(round: number, most: { requests: number }): Killer {
  return async (url, child) => {
    const at = 1 + ((round >> 1) % most.requests)
    const moment = round % 2 === 0 ? 'arrived' : 'answered'
    let seen = 0
    let point = ''
    const running: { child?: Child } = {}
    const proxy = await startCountingProxy(s3.directEndpoint, {
      [moment]: (request: { method: string; key: string }) => {
        if (++seen !== at) return
        point = `${moment} ${request.method} ${at}`
        running.child?.process.kill('SIGKILL')
      },
    })
    running.child = child(url.replace(s3.directEndpoint, proxy.endpoint), [])
    const { code, signal, said } = await running.child.ended
    await proxy.close()
    if (code !== null) most.requests = Math.max(1, at - 1)
    return { killed: signal === 'SIGKILL', point, said }
  }
}

const CALLS =
  'rename,link,linkat,symlink,symlinkat,unlink,rmdir,mkdir,fsync,utimensat,ftruncate,fchmod'

/** At the n-th of the calls that change a directory, on any thread: the kernel kills the process as it enters the call. */
function atCall(round: number, most: { calls: number }): Killer {
  return async (url, child) => {
    const at = 1 + (round % most.calls)
    const prefix = [
      'strace',
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      `trace=${CALLS}`,
      '-e',
      `inject=${CALLS}:signal=SIGKILL:when=${at}`,
    ]
    const { code, signal, said } = await child(url, prefix).ended
    if (code === 0) most.calls = Math.max(1, at - 1)
    return { killed: signal === 'SIGKILL' || code === 137, point: `call ${at}`, said }
  }
}

/** Rounds on a few lanes until enough children have died in the middle; answers at which points. */
async function killMany(
  verb: keyof typeof verbs,
  id: string,
  killer: (round: number) => Killer,
): Promise<string[]> {
  const points: string[] = []
  let round = 0
  const runLane = async (number: number): Promise<void> => {
    const lane = await openLane(`${verb}-${id}-${number}`, id === 'call')
    while (points.length < KILLS && round < KILLS * 2) {
      const ended = await verbs[verb](lane, killer(round++))
      if (ended.killed) points.push(ended.point)
      else expect(ended.said).toContain('"result"')
    }
    // Not only the newest: every snapshot that was ever committed is whole.
    expect((await verifyArchive({ store: lane.store, name: lane.name })).problems).toEqual([])
    rmSync(lane.root, { recursive: true })
  }
  await Promise.all(Array.from({ length: LANES }, (_, number) => runLane(number)))
  return points
}

for (const verb of ['save', 'restore'] as const) {
  requirement('s3', hasS3)(
    `a ${verb} that is killed at every request leaves a whole snapshot, and the next one completes`,
    async () => {
      const most = { requests: 12 }
      const points = await killMany(verb, 'request', (round) => atRequest(round, most))
      expect(points.length).toBeGreaterThanOrEqual(KILLS)
      expect(new Set(points).size).toBeGreaterThan(8)
    },
    1_200_000,
  )

  requirement('strace', hasS3 === true ? hasStrace : hasS3)(
    `a ${verb} that is killed at every change of a directory leaves a whole snapshot, and the next one completes`,
    async () => {
      const most = { calls: 60 }
      const points = await killMany(verb, 'call', (round) => atCall(round, most))
      expect(points.length).toBeGreaterThanOrEqual(KILLS)
      expect(new Set(points).size).toBeGreaterThan(8)
    },
    1_200_000,
  )
}
