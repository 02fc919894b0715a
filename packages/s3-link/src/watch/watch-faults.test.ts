import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { openFileStore, type FileStore } from '@berth/object-store'
import { missingS3Server, startS3Server, startStubS3 } from '@berth/object-store/testing'
import { endOf, readLog, startProgram, startWriter } from '../testing/programs.ts'
import { openWatch, type DrainReport, type Watch } from './watch.ts'

const missing = missingS3Server()
const program = fileURLToPath(new URL('./testing/watch-program.ts', import.meta.url))

test(
  'nothing that was closed is lost, or sent under another name, when it is killed again and again',
  { timeout: 120_000 },
  async ({ skip }) => {
    skip(missing !== undefined, missing)
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const { folder, state } = await makeFolder()
    const big = randomBytes(70_000_000)
    const settings = { folder, state, prefix: 'kills', url: server.url, env: server.env }
    const log = join(state, '../writer.log')
    const writer = startWriter({ folder, log, paceMs: 15 })
    await writeFile(join(folder, 'big.ckpt'), big)
    for (let round = 0; round < 8; round++) {
      const watcher = startProgram(program, settings)
      const end = endOf(watcher)
      await once(watcher.stdout as NodeJS.ReadableStream, 'data')
      await sleep(80 + round * 130)
      watcher.kill('SIGKILL')
      await end
    }
    writer.kill('SIGTERM')
    await endOf(writer)
    const last = startProgram(program, settings)
    const end = endOf(last)
    await once(last.stdout as NodeJS.ReadableStream, 'data')
    last.kill('SIGTERM')
    const { output } = await end
    const told = JSON.parse(output.replace('watching\n', '')) as {
      report: DrainReport
      conflicts: unknown[]
    }
    expect(told.report).toMatchObject({ isComplete: true, atRisk: [] })
    expect(told.conflicts).toEqual([])

    const written = readLog(await readFile(log, 'utf8'))
    expect(written.length).toBeGreaterThan(50)
    const store = await openFileStore(server.url, { env: server.env })
    onTestFinished(() => store.close())
    const inStore = await shaOf(store, 'kills')
    for (const { name, sha256: sha } of written) expect(inStore.get(name), name).toBe(sha)
    expect(inStore.get('big.ckpt')).toBe(sha256(big))
    expect(inStore.size).toBe(written.length + 1)
  },
)

test(
  'an upload in parts goes on after a kill from those that have arrived',
  { timeout: 60_000 },
  async ({ skip }) => {
    skip(missing !== undefined, missing)
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const { folder, state } = await makeFolder()
    const big = randomBytes(120_000_000)
    await writeFile(join(folder, 'big.ckpt'), big)
    const settings = { folder, state, prefix: 'parts', url: server.url, env: server.env }
    const parts = (): number =>
      server.requests.filter(({ query, status }) => query.includes('partNumber') && status === 200)
        .length
    const first = startProgram(program, settings)
    const killed = endOf(first)
    await until(() => parts() >= 3)
    first.kill('SIGKILL')
    await killed
    const before = parts()
    const second = startProgram(program, settings)
    const end = endOf(second)
    await once(second.stdout as NodeJS.ReadableStream, 'data')
    second.kill('SIGTERM')
    const { output } = await end
    expect(JSON.parse(output.replace('watching\n', ''))).toMatchObject({
      report: { isComplete: true },
      conflicts: [],
    })
    // Eight parts; what was under way at the kill is sent again.
    expect(parts() - before).toBeLessThanOrEqual(5)
    const store = await openFileStore(server.url, { env: server.env })
    onTestFinished(() => store.close())
    expect((await shaOf(store, 'parts')).get('big.ckpt')).toBe(sha256(big))
    expect(await store.listUploads('parts')).toEqual([])
  },
)

test(
  'its status answers at once while the server hangs, and it goes on by itself afterwards',
  { timeout: 60_000 },
  async ({ skip }) => {
    skip(missing !== undefined, missing)
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const { watch, folder } = await begin(server)
    for (let n = 0; n < 20; n++) await writeFile(join(folder, `a${n}`), randomBytes(50_000))
    process.kill(server.pid, 'SIGSTOP')
    let longest = 0
    try {
      for (let n = 0; n < 20; n++) {
        await writeFile(join(folder, `b${n}`), randomBytes(50_000))
        const before = performance.now()
        await sleep(100)
        expect(watch.status().isSafeToStop).toBe(false)
        longest = Math.max(longest, performance.now() - before - 100)
      }
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    expect(longest).toBeLessThan(1_000)
    expect(await watch.drain(30_000)).toMatchObject({ isComplete: true })
    expect(watch.status().proven.files).toBe(40)
  },
)

test('a storm of refusals stops everything for a while, and nothing for good', async () => {
  const stub = await startStubS3()
  onTestFinished(() => stub.close())
  const { watch, folder } = await begin(stub)
  await sleep(300)
  stub.fault({ kind: { status: 503, code: 'SlowDown' }, times: 12 })
  for (let n = 0; n < 10; n++) await writeFile(join(folder, `f${n}`), `${n}`)
  await until(() => watch.status().reason?.code === 'object-store/server-error')
  const { length } = stub.requests
  await sleep(400)
  // One file asks for all of them.
  expect(stub.requests.length - length).toBeLessThan(6)
  await until(() => watch.status().isSafeToStop, 20_000)
  expect(watch.status()).toMatchObject({ reason: undefined, proven: { files: 10 } })
})

test('an answer that is lost leaves one object, under its own name', async () => {
  const stub = await startStubS3()
  onTestFinished(() => stub.close())
  const { watch, folder } = await begin(stub)
  await until(() => watch.status().state === 'watching')
  stub.fault({ kind: 'lose-answer', method: 'PUT', key: /pic/, times: 1 })
  stub.fault({ kind: 'reset', method: 'HEAD', key: /pic/, times: 1 })
  await writeFile(join(folder, 'pic.png'), 'pixels')
  expect(await watch.drain(10_000)).toMatchObject({ isComplete: true })
  expect(watch.status().conflicts).toEqual([])
  expect([...stub.objects.keys()].filter((key) => key.includes('pic'))).toEqual([
    'pods/faults/pic.png',
  ])
})

test('without conditional writes nothing of another is replaced either', async () => {
  const stub = await startStubS3({ conditionalWrites: 'refused' })
  onTestFinished(() => stub.close())
  const { watch, folder, store } = await begin(stub)
  await store.objects.put('faults/pic.png', Buffer.from('theirs'))
  await writeFile(join(folder, 'pic.png'), 'mine')
  await writeFile(join(folder, 'new.png'), 'new')
  expect(await watch.drain(10_000)).toMatchObject({ isComplete: true })
  const inStore = await shaOf(store, 'faults')
  expect(inStore.get('pic.png')).toBe(sha256('theirs'))
  expect(inStore.get(`pic~${sha256('mine').slice(0, 8)}.png`)).toBe(sha256('mine'))
  expect(inStore.get('new.png')).toBe(sha256('new'))
})

test('one file that S3 does not take holds up no other', async () => {
  const stub = await startStubS3()
  onTestFinished(() => stub.close())
  const { watch, folder } = await begin(stub)
  stub.fault({ kind: { status: 400, code: 'InvalidRequest' }, method: 'PUT', key: /poison/ })
  await writeFile(join(folder, 'poison'), 'x')
  for (let n = 0; n < 5; n++) await writeFile(join(folder, `f${n}`), `${n}`)
  await until(() => watch.status().proven.files === 5)
  expect(await watch.drain(800)).toMatchObject({ isComplete: false, atRisk: ['poison'] })
  expect(watch.status().waiting).toMatchObject([
    { path: 'poison', failure: { code: 'object-store/refused' } },
  ])
  stub.clearFaults()
  expect(await watch.drain(10_000)).toMatchObject({ isComplete: true })
})

async function begin(server: {
  url: string
  env: Record<string, string>
}): Promise<{ watch: Watch; folder: string; store: FileStore }> {
  const { folder, state } = await makeFolder()
  const store = await openFileStore(server.url, { env: server.env, patience: { attempts: 2 } })
  const watch = await openWatch({ folder, state, store, prefix: 'faults' })
  onTestFinished(async () => {
    await watch.close()
    await store.close()
  })
  return { watch, folder, store }
}

async function makeFolder(): Promise<{ folder: string; state: string }> {
  const base = await temporaryDirectory()
  const folder = join(base, 'output')
  await mkdir(folder)
  return { folder, state: join(base, 'state') }
}

async function shaOf(store: FileStore, prefix: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { key } of store.objects.list(`${prefix}/`)) {
    const hash = createHash('sha256')
    await store.objects.stream(key, (bytes) => void hash.update(bytes))
    found.set(key.slice(prefix.length + 1), hash.digest('hex'))
  }
  return found
}

async function until(isTrue: () => boolean, mostMs = 10_000): Promise<void> {
  const end = performance.now() + mostMs
  while (!isTrue()) {
    if (performance.now() > end) throw new Error('it did not happen in time')
    await sleep(20)
  }
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
