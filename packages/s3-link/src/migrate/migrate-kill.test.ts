import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import type { FileStore } from '@berth/object-store'
import type { S3Server } from '@berth/object-store/testing'
import { endOf, readLog, startProgram, startWriter } from '../testing/programs.ts'
import { givenRealBucket } from '../testing/real-bucket.ts'
import type { MigrationReport } from './migrate.ts'

const program = fileURLToPath(new URL('./testing/migrate-program.ts', import.meta.url))
/**
 * `all` for every step of every scene, which takes an hour; else so many of them, spread over all. From 210 on each kind of step is met: what is
 * done to what, before and after.
 */
const asked = process.env['BERTH_KILL_RUNS'] || '12'
const isWhole = asked === 'all' || Number(asked) >= 210
const LANES = 4
const BIG_BYTES = 17 * 1024 * 1024

/** Which way a migration goes. */
interface Scene {
  name: string
  withGap: boolean
  removeOriginals: boolean
  hasBigFile: boolean
}

const scenes: Scene[] = [
  { name: 'in one step', withGap: false, removeOriginals: false, hasBigFile: false },
  { name: 'with a gap', withGap: true, removeOriginals: false, hasBigFile: false },
  { name: 'and away', withGap: false, removeOriginals: true, hasBigFile: true },
]

interface World {
  folder: string
  target: string
  prefix: string
  state: string
  killedIn: string
  quiesceMs: number
  mine: Record<string, Buffer>
  theirs: Record<string, Buffer>
}

interface Kill {
  scene: Scene
  /** The number of the step, or what is done there. */
  at: number | string
}

describe('a migration that is killed', () => {
  let server: S3Server
  let store: FileStore
  let count = 0
  givenRealBucket((bucket) => ({ server, store } = bucket))

  test(
    'loses nothing and overwrites nothing, whatever it was about to do or had just done, while an app writes',
    { timeout: 3_600_000 },
    async () => {
      const startedAt = performance.now()
      const known = await Promise.all(
        scenes.map(async (scene) => ({ scene, steps: (await runThrough({ scene, at: 0 })).steps })),
      )
      for (const { steps } of known) expect(steps.length).toBeGreaterThan(40)
      // A few are chosen by what is done there: how many steps there are depends on how fast the writer writes.
      const all: Kill[] = known.flatMap(({ scene, steps }): Kill[] =>
        isWhole
          ? steps.map((_, n) => ({ scene, at: n + 1 }))
          : [...new Set(steps)].map((at) => ({ scene, at })),
      )
      const hits = new Map<string, number>()
      const most = asked === 'all' ? all.length : Math.min(all.length, Number(asked))
      await inLanes(
        Array.from({ length: most }, (_, n) => all[Math.floor(((n + 0.5) * all.length) / most)]),
        hits,
      )
      if (isWhole) {
        // What came at another number this time.
        const missed = known.flatMap(({ scene, steps }): Kill[] =>
          [...new Set(steps)]
            .filter((at) => !hits.has(`${scene.name}: ${at}`))
            .map((at) => ({ scene, at })),
        )
        await inLanes(missed, hits)
        for (const { scene, at } of missed) expect(hits.has(`${scene.name}: ${at}`)).toBe(true)
      }
      const kills = [...hits.values()].reduce((sum, times) => sum + times, 0)
      expect(kills).toBeGreaterThan(most * 0.6)
      if (isWhole) tell(hits, kills, performance.now() - startedAt)
    },
  )

  const inLanes = async (
    kills: readonly (Kill | undefined)[],
    hits: Map<string, number>,
  ): Promise<void> => {
    const left = [...kills]
    const lane = async (): Promise<void> => {
      for (let kill = left.shift(); kill !== undefined; kill = left.shift()) {
        const { hit } = await runThrough(kill)
        const label = `${kill.scene.name}: ${hit}`
        if (hit !== undefined) hits.set(label, (hits.get(label) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  }

  /** Kills a migration once or twice, goes on with it, and looks after each end where everything is. */
  const runThrough = async ({
    scene,
    at,
  }: Kill): Promise<{ hit: string | undefined; steps: string[] }> => {
    const why = `${scene.name}, killed at ${at}`
    const world = await begin(scene)
    const log = `${world.state}.log`
    const writer = startWriter({ folder: world.folder, log, paceMs: 12 })
    onTestFinished(() => void writer.kill('SIGKILL'))
    await untilWritten(log)
    const first = await run(world, scene, at)
    const hit = first === undefined ? await readFile(world.killedIn, 'utf8') : undefined
    await checkNothingIsLost(world, log, why)
    if (first === undefined && typeof at === 'number' && at % 3 === 0) {
      await run(world, scene, 1 + (at % 17))
      await checkNothingIsLost(world, log, why)
    }
    if (first === undefined) await run(world, scene, 0)
    writer.kill('SIGTERM')
    await endOf(writer)
    const last = await run(world, scene, 0)
    expect(last?.report, why).toMatchObject({ openFiles: [], unsettled: [] })
    await checkNothingIsLost(world, log, why)
    await checkEnd(world, { scene, log, why })
    // An upload that was begun, and that nobody could put on record, is ended a day later; nothing of it is seen meanwhile.
    const left = await store.listUploads(world.prefix)
    expect(left.length, why).toBeLessThanOrEqual(first === undefined ? 1 : 0)
    await rm(join(world.folder, '..'), { recursive: true, force: true })
    await rm(world.target, { recursive: true, force: true })
    return { hit, steps: first?.steps ?? [] }
  }

  /** A folder, and a place in the bucket, of which the server's own directory stands for the mount. */
  const begin = async ({ hasBigFile }: Scene): Promise<World> => {
    const base = await temporaryDirectory()
    const prefix = `k${count++}`
    const folder = join(base, 'output')
    const target = join(server.directory, 'pods', prefix)
    const mine = Object.fromEntries([
      ...Array.from({ length: 6 }, (_, n) => [
        `${n % 2 ? 'sub/' : ''}old${n}.bin`,
        randomBytes(3000),
      ]),
      ...(hasBigFile ? [['big.ckpt', Buffer.alloc(BIG_BYTES, randomBytes(5))]] : []),
    ]) as Record<string, Buffer>
    const theirs = { 'old0.bin': randomBytes(2000), 'sub/old1.bin': randomBytes(2000) }
    await mkdir(target, { recursive: true })
    await mkdir(join(folder, 'sub'), { recursive: true })
    await mkdir(join(folder, 'nothing/in'), { recursive: true })
    for (const [name, body] of Object.entries(mine)) await writeFile(join(folder, name), body)
    for (const [name, body] of Object.entries(theirs))
      await store.objects.put(`${prefix}/${name}`, body)
    const state = join(base, 'state')
    const killedIn = join(base, 'killed-in')
    return { folder, target, prefix, state, killedIn, quiesceMs: 400, mine, theirs }
  }

  /** The report, or undefined when it was killed. */
  const run = async (
    { folder, target, prefix, state, killedIn, quiesceMs }: World,
    { withGap, removeOriginals }: Scene,
    killAt: number | string,
  ): Promise<{ report: MigrationReport; steps: string[] } | undefined> => {
    const { url, env } = server
    const place = { folder, target, prefix, state, killedIn, quiesceMs }
    const values = { ...place, withGap, removeOriginals, url, env, killAt }
    const { code, signal, output } = await endOf(startProgram(program, values))
    if (signal === 'SIGKILL') return undefined
    expect(code, output).toBe(0)
    return JSON.parse(output) as { report: MigrationReport; steps: string[] }
  }

  /** Whatever was there before, and whatever the app has closed, is in the bucket or on the disk; what the bucket had is as it was. */
  const checkNothingIsLost = async (world: World, log: string, why: string): Promise<void> => {
    const written = readLog(await readFile(log, 'utf8'))
    expect(written.length).toBeGreaterThan(0)
    const places = [world.target, world.folder, ...(await originalsOf(world.folder))]
    const kept = new Set((await Promise.all(places.map(hashesIn))).flatMap((all) => [...all]))
    for (const { name, sha256: sha } of written)
      expect(kept.has(sha), `${name} is somewhere, ${why}`).toBe(true)
    for (const [name, body] of Object.entries(world.mine))
      expect(kept.has(sha256(body)), `${name} is somewhere, ${why}`).toBe(true)
    for (const [name, body] of Object.entries(world.theirs)) {
      const found = await readFile(join(world.target, name))
      expect(sha256(found), `${name} is as it was, ${why}`).toBe(sha256(body))
    }
  }

  /** In the end all is in the bucket, the link is in its place, and the original is whole, or away. */
  const checkEnd = async (
    world: World,
    { scene, log, why }: { scene: Scene; log: string; why: string },
  ): Promise<void> => {
    const inBucket = await hashesIn(world.target)
    for (const { name, sha256: sha } of readLog(await readFile(log, 'utf8')))
      expect(inBucket.has(sha), `${name} is in S3, ${why}`).toBe(true)
    for (const [name, body] of Object.entries(world.mine))
      expect(inBucket.has(sha256(body)), `${name} is in S3, ${why}`).toBe(true)
    expect(await readlink(world.folder), why).toBe(world.target)
    expect(await readdir(join(world.target, 'nothing')), why).toEqual(['in'])
    const originals = await originalsOf(world.folder)
    const left = new Set((await Promise.all(originals.map(hashesIn))).flatMap((all) => [...all]))
    for (const [name, body] of Object.entries(world.mine)) {
      const isKept = !scene.removeOriginals || world.theirs[name] !== undefined
      expect(left.has(sha256(body)), `${name} in the original, ${why}`).toBe(isKept)
    }
  }
})

async function untilWritten(log: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if ((await readFile(log, 'utf8').catch(() => '')).length > 300) return
    await sleep(20)
  }
  throw new Error('the writer wrote nothing')
}

async function originalsOf(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, '..'))
  return names
    .filter((name) => name.includes('.berth-original'))
    .map((name) => join(folder, '..', name))
}

/** Of all files below a folder, which may be a link, or not there. */
async function hashesIn(folder: string): Promise<Set<string>> {
  const entries = await readdir(`${folder}/`, { recursive: true, withFileTypes: true }).catch(
    () => [],
  )
  const hashes = new Set<string>()
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const body = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0))
    hashes.add(sha256(body))
  }
  return hashes
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

function tell(hits: ReadonlyMap<string, number>, kills: number, tookMs: number): void {
  const lines = [...hits].toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [label, times] of lines) console.log(`${times}`.padStart(4), label)
  console.log(`${kills} kills at ${hits.size} places in ${Math.round(tookMs / 1000)} s`)
}
