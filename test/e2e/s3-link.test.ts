import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { createConnection } from 'node:net'
import * as path from 'node:path'
import { execFileSync } from 'node:child_process'
import type { StepDefinition } from '@berth/core'
import { requirement, runStep, temporaryDirectory } from '@berth/core/testing'
import { openStore, type ObjectStore } from '@berth/object-store'
import { missingS3Server, startS3Server, type S3Server } from '@berth/object-store/testing'
import { s3Link } from '@berth/s3-link'
import { afterEach, beforeEach, expect } from 'vitest'

const drivers = ['s3fs', 'rclone'] as const

let root: string
let server: S3Server
let store: ObjectStore

beforeEach(async () => {
  if (missingS3Server() !== undefined) return
  root = await temporaryDirectory()
  server = await startS3Server()
  store = await openStore(`s3://${server.bucket}?endpoint=${server.directEndpoint}`, {
    env: server.env,
  })
})

afterEach(async () => {
  if (missingS3Server() !== undefined) return
  await store.close()
  await endAll()
  await server.close()
})

for (const driver of drivers) {
  const testDriver = requirement(driver, missing(driver))

  testDriver(
    `${driver}: what is written through a link is in the bucket, and the bucket’s in the folder`,
    async () => {
      await store.put('output/alice/before.txt', Buffer.from('was there'))
      const linked = await run('link', driver, { user: 'alice' })
      expect(linked).toMatchObject({ result: 'done', facts: { driver } })
      const folder = path.join(root, 'output', 'alice')
      expect(fs.readFileSync(path.join(folder, 'before.txt'), 'utf8')).toBe('was there')
      const sums = writeFiles(folder, twoHundredSizes())
      fs.mkdirSync(path.join(folder, 'day'))
      fs.writeFileSync(path.join(folder, 'day', 'new.txt'), 'below')
      expect(await run('link', driver, { user: 'alice' })).toMatchObject({ result: 'unchanged' })
      expect(await end('unmount', { user: 'alice' })).toMatchObject({ result: 'done' })
      expect(await end('unmount', { user: 'alice' })).toMatchObject({ result: 'unchanged' })
      for (const [name, sum] of sums) {
        const body = await store.get(`output/alice/${name}`)
        expect(sha256(body ?? Buffer.from('none')), name).toBe(sum)
      }
      expect((await store.get('output/alice/day/new.txt'))?.toString()).toBe('below')
      // The link is still one, to a folder where an app can go on.
      fs.mkdirSync(folder, { recursive: true })
      expect(fs.readdirSync(folder)).toEqual([])
      expect(await end('unlink', { user: 'alice' })).toMatchObject({ result: 'done' })
      expect(fs.lstatSync(folder).isDirectory()).toBe(true)
    },
    120_000,
  )

  testDriver(
    `${driver}: a link leads to the disk after an unmount, however often the mount is looked at meanwhile`,
    async () => {
      const folder = path.join(root, 'output', 'alice')
      for (let round = 0; round < 3; round += 1) {
        await run('link', driver, { user: 'alice' })
        const looks = lookAllTheTime()
        expect(await end('unmount', { user: 'alice' })).toMatchObject({ result: 'done' })
        await looks.end()
        expect(fs.readlinkSync(folder)).toMatch(/\/spool$/)
        expect(fs.readdirSync(folder)).toEqual([])
      }
    },
  )

  testDriver(
    `${driver}: five links of two users share one mount, each with its own folder`,
    async () => {
      for (const user of ['alice', 'bob']) await run('link', driver, { user })
      for (const folder of ['input', 'temp', 'models/loras']) await run('link', driver, { folder })
      const mounts = readMounts()
      expect(mounts).toHaveLength(1)
      expect(mounts[0]?.links).toHaveLength(5)
      fs.writeFileSync(path.join(root, 'output', 'alice', 'own.txt'), 'of alice')
      fs.writeFileSync(path.join(root, 'models', 'loras', 'own.txt'), 'of all')
      expect(fs.readdirSync(path.join(root, 'output', 'bob'))).toEqual([])
      expect(await end('unlink', { user: 'bob' })).toMatchObject({ result: 'done' })
      expect(readMounts()[0]?.links).toHaveLength(4)
      expect(fs.readFileSync(path.join(root, 'output', 'alice', 'own.txt'), 'utf8')).toBe(
        'of alice',
      )
      expect(await end('unmount', { user: 'alice' })).toMatchObject({ result: 'done' })
      expect((await store.get('output/alice/own.txt'))?.toString()).toBe('of alice')
      expect((await store.get('models/loras/own.txt'))?.toString()).toBe('of all')
      expect(await store.get('output/bob/own.txt')).toBeUndefined()
    },
  )

  testDriver(
    `${driver}: a daemon that is killed comes again, and what was written meanwhile is in the bucket`,
    async () => {
      await run('link', driver, { user: 'alice' })
      const folder = path.join(root, 'output', 'alice')
      fs.writeFileSync(path.join(folder, 'before.txt'), 'before')
      await until(async () => (await store.get('output/alice/before.txt')) !== undefined)
      const [mount] = readMounts()
      process.kill(mount?.daemon.pid ?? 0, 'SIGKILL')
      await until(() => fs.readlinkSync(folder).endsWith('/spool'))
      fs.writeFileSync(path.join(folder, 'meanwhile.txt'), 'meanwhile')
      await until(() => status().colour === 'red')
      await until(() => status().state === 'active')
      expect(fs.readlinkSync(folder)).toBe(path.join(mount?.mountPoint ?? '', 'output', 'alice'))
      expect((await store.get('output/alice/meanwhile.txt'))?.toString()).toBe('meanwhile')
      expect(fs.readdirSync(folder).toSorted()).toEqual(['before.txt', 'meanwhile.txt'])
      expect(status()).toMatchObject({ colour: 'green', restarts: 1, safeToStop: { safe: true } })
      expect(await end('unmount', { user: 'alice' })).toMatchObject({ result: 'done' })
    },
  )
}

interface KnownMount {
  daemon: { pid: number }
  mountPoint: string
  links: string[]
}

/** The mounts that there are records of. */
function readMounts(): KnownMount[] {
  const runtime = path.join(root, 'link', 'run')
  return fs.readdirSync(runtime).flatMap((key) => {
    const file = path.join(runtime, key, 'mount.json')
    if (!fs.existsSync(file)) return []
    const links = fs.readdirSync(path.join(runtime, key, 'links'))
    return [{ ...JSON.parse(fs.readFileSync(file, 'utf8')), links }]
  })
}

function status() {
  const runtime = path.join(root, 'link', 'run')
  const [key = ''] = fs.readdirSync(runtime).filter((name) => /^[0-9a-f]{12}$/.test(name))
  return JSON.parse(fs.readFileSync(path.join(runtime, key, 'status.json'), 'utf8'))
}

/** Has every mount looked at again and again, as it is when links are made. */
function lookAllTheTime(): { end(): Promise<void> } {
  const runtime = path.join(root, 'link', 'run')
  const sockets = fs
    .readdirSync(runtime)
    .map((key) => path.join(runtime, key, 'private/keeper.sock'))
  let isOver = false
  const looks = Array.from({ length: 4 }, async () => {
    while (!isOver) await Promise.all(sockets.map(look))
  })
  return {
    end: async () => {
      isOver = true
      await Promise.all(looks)
    },
  }
}

function look(socket: string): Promise<void> {
  return new Promise((resolve) => {
    const connection = createConnection({ path: socket, allowHalfOpen: true })
    connection.on('error', () => undefined)
    connection.on('close', () => setTimeout(resolve, 1))
    connection.resume()
    connection.end(JSON.stringify({ verb: 'look' }))
  })
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await holds())) {
    if (performance.now() > end)
      throw new Error(`it did not come about: ${JSON.stringify(status())}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A link of a user by a step, as a recipe would make it. */
async function run(name: string, driver: string, inputs: object) {
  const url = `s3://${server.bucket}?endpoint=${server.directEndpoint}`
  return runLink(name, { store: url, driver, ...inputs })
}

async function end(name: string, inputs: object) {
  return runLink(name, { within: '60s', ...inputs })
}

async function runLink(name: string, inputs: object) {
  const { outcome } = await runStep(
    s3Link.steps[name] as StepDefinition,
    { workspace: root, ...inputs },
    { env: environment() },
  )
  if (outcome.result === 'failed') throw new Error(JSON.stringify(outcome.error))
  return outcome
}

function environment(): Record<string, string> {
  return { ...server.env, PATH: process.env['PATH'] ?? '', BERTH_LINK_DIR: path.join(root, 'link') }
}

/** From nothing to 64 MB, most of them small. */
function twoHundredSizes(): number[] {
  return Array.from({ length: 200 }, (_, index) => {
    if (index < 4) return index * index * 4096
    return index % 50 === 0 ? 64_000_000 : Math.floor(2 ** (index / 10))
  })
}

function writeFiles(folder: string, sizes: readonly number[]): [name: string, sum: string][] {
  return sizes.map((size, index) => {
    const body = randomBytes(size)
    const name = `file-${index}.bin`
    fs.writeFileSync(path.join(folder, name), body)
    return [name, sha256(body)]
  })
}

function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}

/** Ends what a failed test left: the processes by their own numbers, then the mounts. */
async function endAll(): Promise<void> {
  const runtime = path.join(root, 'link', 'run')
  const names = fs.existsSync(runtime) ? fs.readdirSync(runtime) : []
  for (const name of names) {
    const file = path.join(runtime, name, 'mount.json')
    if (!fs.existsSync(file)) continue
    const { keeper, daemon, mountPoint } = JSON.parse(fs.readFileSync(file, 'utf8'))
    for (const id of [keeper?.pid, daemon?.pid]) {
      try {
        process.kill(id, 'SIGKILL')
      } catch {}
    }
    try {
      execFileSync('umount', ['-l', mountPoint], { stdio: 'ignore' })
    } catch {}
  }
}

function missing(program: string): string | true {
  if (missingS3Server() !== undefined) return missingS3Server() ?? true
  if (!fs.existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return 'it is not installed'
  }
}
