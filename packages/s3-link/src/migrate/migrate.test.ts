import { createHash, randomBytes } from 'node:crypto'
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { openFileStore, type FileStore } from '@berth/object-store'
import { missingS3Server, startS3Server, type S3Server } from '@berth/object-store/testing'
import { endOf, readLog, startProgram, startWriter } from '../testing/programs.ts'
import { migrate, type MigrateSettings, type MigrationReport } from './migrate.ts'

const missing = missingS3Server()
const program = fileURLToPath(new URL('./testing/migrate-program.ts', import.meta.url))
/** More of them when asked: each is a run that is killed at another step. */
const killRuns = Number(process.env['BERTH_KILL_RUNS'] || 24)

interface World extends MigrateSettings {
  folder: string
}

describe('a migration', () => {
  let server: S3Server
  let store: FileStore
  let count = 0
  beforeEach(({ skip }) => skip(missing !== undefined, missing))
  beforeAll(async () => {
    if (missing !== undefined) return
    server = await startS3Server()
    store = await openFileStore(server.url, { env: server.env })
  })
  afterAll(async () => {
    if (missing !== undefined) return
    await store.close()
    await server.close()
  })

  /** A folder with files, and a place in the bucket, of which the server's own directory stands for the mount. */
  const begin = async (files: Record<string, string | Buffer>): Promise<World> => {
    const base = await temporaryDirectory()
    const prefix = `m${count++}`
    const folder = join(base, 'output')
    const target = join(server.directory, 'pods', prefix)
    await mkdir(target, { recursive: true })
    await fill(folder, files)
    return { folder, target, prefix, store, state: join(base, 'state'), quiesceMs: 2_000 }
  }

  test('moves every file, puts the link in the place, and keeps the original', async () => {
    const world = await begin({ 'a.png': 'a', 'deep/b ü.txt': 'b', empty: '' })
    await symlink('a.png', join(world.folder, 'alias'))
    const before = await migrate({ ...world, dryRun: true })
    expect(before).toMatchObject({ state: 'planned', files: 3, bytes: 2, news: 3, originals: [] })
    expect(before.leftOut).toEqual([{ path: 'alias', why: 'a link' }])
    expect(await shaOf(world.prefix)).toEqual(new Map())
    expect((await lstat(world.folder)).isDirectory()).toBe(true)

    const report = await migrate(world)
    expect(report).toMatchObject({
      state: 'moved',
      files: 3,
      unsettled: [],
      renamed: [],
      openFiles: [],
      originals: [`${world.folder}.berth-original`],
    })
    expect(await readlink(world.folder)).toBe(world.target)
    expect((await readFile(join(world.folder, 'deep/b ü.txt'))).toString()).toBe('b')
    expect((await readdir(`${world.folder}.berth-original`)).toSorted()).toEqual(
      ['a.png', 'alias', 'deep', 'empty'].toSorted(),
    )
    expect((await migrate(world)).state).toBe('unchanged')
  })

  test('an object of another with the same name stays, and the file goes beside it', async () => {
    const world = await begin({ 'pic.png': 'mine', 'same.png': 'same' })
    await store.objects.put(`${world.prefix}/pic.png`, Buffer.from('theirs'))
    await store.objects.put(`${world.prefix}/same.png`, Buffer.from('same'))
    const report = await migrate(world)
    const key = `${world.prefix}/pic~${sha256('mine').slice(0, 8)}.png`
    expect(report.renamed).toEqual([{ path: 'pic.png', key }])
    expect(report.sentBytes).toBe(4)
    expect((await store.objects.get(`${world.prefix}/pic.png`))?.toString()).toBe('theirs')
    expect((await store.objects.get(key))?.toString()).toBe('mine')
  })

  test('what is not a folder of ours, or nested, is refused and stays as it is', async () => {
    const world = await begin({ 'a.png': 'a' })
    const nested = { ...world, target: join(world.folder, 'mount') }
    await expect(migrate(nested)).rejects.toMatchObject({ code: 's3-link/nested' })
    const inside = { ...world, state: join(world.folder, 'state') }
    await expect(migrate(inside)).rejects.toMatchObject({ code: 's3-link/nested' })
    await rename(world.folder, `${world.folder}-real`)
    await symlink(`${world.folder}-real`, world.folder)
    await expect(migrate(world)).rejects.toMatchObject({ code: 's3-link/foreign-link' })
    expect(await readdir(world.folder)).toEqual(['a.png'])
    expect(await shaOf(world.prefix)).toEqual(new Map())
  })

  test('without a mount there is no link, and a folder that a killed run moved aside comes back', async () => {
    const world = await begin({ 'a.png': 'a' })
    const requireTarget = async (): Promise<void> => {
      throw new Error('no mount')
    }
    await expect(migrate({ ...world, requireTarget })).rejects.toThrow('no mount')
    expect(await readdir(world.folder)).toEqual(['a.png'])
    await rename(world.folder, `${world.folder}.berth-original`)
    await expect(migrate({ ...world, requireTarget })).rejects.toThrow('no mount')
    expect(await readdir(world.folder)).toEqual(['a.png'])
    expect((await migrate(world)).state).toBe('moved')
  })

  test('what is written to the original after the link was made follows', async () => {
    const world = await begin({ 'a.png': 'a' })
    await migrate(world)
    await writeFile(join(`${world.folder}.berth-original`, 'a.png'), 'a, but longer')
    await writeFile(join(`${world.folder}.berth-original`, 'late.png'), 'late')
    expect(await migrate(world)).toMatchObject({ state: 'moved', news: 2, renamed: [] })
    expect(await shaOf(world.prefix)).toEqual(
      new Map([
        ['a.png', sha256('a, but longer')],
        ['late.png', sha256('late')],
      ]),
    )
  })

  test('removes of the originals what S3 is proven to have, when it is told to', async () => {
    const world = await begin({ 'deep/a.png': 'a', 'b.png': 'b', 'c.png': 'c' })
    await store.objects.put(`${world.prefix}/c.png`, Buffer.from('theirs'))
    await symlink('b.png', join(world.folder, 'alias'))
    const original = `${world.folder}.berth-original`
    expect((await migrate({ ...world, removeOriginals: true })).originals).toEqual([original])
    // Of `c.png` the bucket has another under that name, and the link is in no bucket.
    expect((await readdir(original)).toSorted()).toEqual(['alias', 'c.png'])
    expect((await shaOf(world.prefix)).size).toBe(4)
  })

  test('a link that leads to the disk for now is ours, and what the original holds follows', async () => {
    const world = await begin({ 'a.png': 'a' })
    await migrate(world)
    const spool = join(world.state, '../spool')
    await mkdir(spool)
    await unlink(world.folder)
    await symlink(spool, world.folder)
    await writeFile(join(`${world.folder}.berth-original`, 'late.png'), 'late')
    await expect(migrate(world)).rejects.toMatchObject({ code: 's3-link/foreign-link' })
    expect(await migrate({ ...world, otherTargets: [spool] })).toMatchObject({ news: 1 })
    expect(await readlink(world.folder)).toBe(spool)
    expect((await shaOf(world.prefix)).has('late.png')).toBe(true)
  })

  test(
    'loses nothing and overwrites nothing when it is killed at any step while an app writes',
    { timeout: 600_000 },
    async () => {
      const seed = await begin({ 'a.png': 'a' })
      const { steps } = (await runToEnd(seed, 0)) as { steps: number }
      expect(steps).toBeGreaterThan(20)
      let killed = 0
      const numbers = Array.from({ length: killRuns }, (_, index) => index)
      const lane = async (): Promise<void> => {
        for (let n = numbers.shift(); n !== undefined; n = numbers.shift()) {
          // Every step in turn, and again with other moments of the writer.
          const killAt = 1 + Math.floor(((n * 0.618034) % 1) * (steps * 3))
          if (await killOnce(killAt)) killed += 1
        }
      }
      await Promise.all([lane(), lane(), lane()])
      expect(killed).toBeGreaterThan(killRuns * 0.6)
    },
  )

  /** Says whether it was killed; in any case nothing may be lost in the end. */
  const killOnce = async (killAt: number): Promise<boolean> => {
    const mine = Object.fromEntries(
      Array.from({ length: 6 }, (_, n) => [`${n % 2 ? 'sub/' : ''}old${n}.bin`, randomBytes(3000)]),
    )
    const theirs = { 'old0.bin': randomBytes(2000), 'sub/old1.bin': randomBytes(2000) }
    const world = { ...(await begin(mine)), quiesceMs: 400 }
    for (const [name, body] of Object.entries(theirs))
      await store.objects.put(`${world.prefix}/${name}`, body)
    const log = `${world.state}.log`
    const writer = startWriter({ folder: world.folder, log, paceMs: 12 })
    await sleep(150)
    const first = await runToEnd(world, killAt)
    await sleep(60)
    // Killed once more on the way on.
    if (first === undefined && killAt % 2 === 0) await runToEnd(world, 1 + (killAt % 17))
    const second = await runToEnd(world, 0)
    writer.kill('SIGTERM')
    await endOf(writer)
    const last = (await runToEnd(world, 0)) as { report: MigrationReport }
    expect(second, `killed at ${killAt}`).toBeDefined()
    expect(last.report.openFiles, `killed at ${killAt}`).toEqual([])
    expect(last.report.unsettled, `killed at ${killAt}`).toEqual([])
    await checkNothingIsLost(world, { log, mine, theirs, why: `killed at ${killAt}` })
    return first === undefined
  }

  const checkNothingIsLost = async (
    world: World,
    facts: {
      log: string
      mine: Record<string, Buffer>
      theirs: Record<string, Buffer>
      why: string
    },
  ): Promise<void> => {
    const inStore = await shaOf(world.prefix)
    const contents = new Set(inStore.values())
    const written = readLog(await readFile(facts.log, 'utf8'))
    expect(written.length).toBeGreaterThan(3)
    for (const { name, sha256: sha } of written)
      expect(contents.has(sha), `${name} is in S3, ${facts.why}`).toBe(true)
    for (const [name, body] of Object.entries(facts.mine)) {
      expect(contents.has(sha256(body)), `${name} is in S3, ${facts.why}`).toBe(true)
      const places = await originalsOf(world.folder)
      const kept = await Promise.all(
        places.map((place) => readFile(join(place, name)).catch(() => Buffer.alloc(0))),
      )
      expect(kept.some((bytes) => bytes.equals(body))).toBe(true)
    }
    for (const [name, body] of Object.entries(facts.theirs))
      expect(inStore.get(name), `${name} is as it was, ${facts.why}`).toBe(sha256(body))
    expect(await readlink(world.folder)).toBe(world.target)
  }

  /** The report, or undefined when it was killed. */
  const runToEnd = async (world: World, killAt: number): Promise<unknown> => {
    const { store: _, ...settings } = world
    const values = { ...settings, url: server.url, env: server.env, killAt }
    const { code, signal, output } = await endOf(startProgram(program, values))
    if (signal === 'SIGKILL') return undefined
    expect(code, output).toBe(0)
    return JSON.parse(output) as unknown
  }

  const shaOf = async (prefix: string): Promise<Map<string, string>> => {
    const found = new Map<string, string>()
    for await (const { key } of store.objects.list(`${prefix}/`))
      found.set(key.slice(prefix.length + 1), sha256((await store.objects.get(key)) ?? ''))
    return found
  }
})

async function fill(folder: string, files: Record<string, string | Buffer>): Promise<void> {
  for (const [name, body] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), body)
  }
}

async function originalsOf(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, '..'))
  return names
    .filter((name) => name.includes('.berth-original'))
    .map((name) => join(folder, '..', name))
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
