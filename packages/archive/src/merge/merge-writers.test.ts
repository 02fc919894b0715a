import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { missingS3Server, startS3Server, startStubS3 } from '@berth/object-store/testing'
import { expect, test } from 'vitest'
import { restoreTree, saveTree, verifyArchive } from '../index.ts'
import { newDirectory } from '../testing.ts'

const name = 'pods/data'
const PODS = Array.from({ length: 8 }, (_, index) => `pod${index}`)
const ROUNDS = 2

interface Server {
  url: string
  env: Record<string, string>
  close: () => Promise<void>
}

/** A pod: restores, and whenever it is told to, adds its own, changes what all change, and saves. */
function podScript(base: string, { url }: Server): string {
  const path = join(base, 'pod.ts')
  const store = fileURLToPath(import.meta.resolve('@berth/object-store'))
  const index = fileURLToPath(new URL('../index.ts', import.meta.url))
  writeFileSync(
    path,
    `import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { openStore } from ${JSON.stringify(store)}
const { restoreTree, saveTree } = await import(${JSON.stringify(index)})
const pod = process.argv[2]
const directory = '${base}/' + pod + '/data'
const store = await openStore(${JSON.stringify(url)}, { env: process.env })
await restoreTree({ store, name: '${name}', directory })
console.log('ready')
let round = 0
for await (const line of createInterface({ input: process.stdin })) {
  round++
  const write = (path, text) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  write('by-' + pod + '-' + round, pod)
  write('custom_nodes/of-' + pod + '/' + round, pod)
  write('custom_nodes/shared/by-' + pod + '-' + round, pod)
  write('log', pod + ' ' + round)
  const { result } = await saveTree({ store, name: '${name}', directory, pod })
  console.log(result)
}
await store.close()`,
  )
  return path
}

/** The next line of each. */
async function lines(children: ChildProcess[]): Promise<string[]> {
  return Promise.all(
    children.map(async (child) => {
      const ended = once(child, 'exit').then(([code]) => `ended with ${code as number}`)
      const line = once(child.stdout as NodeJS.ReadableStream, 'data').then(String)
      return (await Promise.race([line, ended])).trim()
    }),
  )
}

async function writeTogether(base: string, server: Server): Promise<void> {
  const script = podScript(base, server)
  const children = PODS.map((pod) =>
    spawn(process.execPath, [script, pod], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...server.env },
    }),
  )
  const ended = children.map((child) => once(child, 'exit'))
  expect(new Set(await lines(children))).toEqual(new Set(['ready']))
  for (let round = 0; round < ROUNDS; round++) {
    const saved = lines(children)
    for (const { stdin } of children) stdin?.write('go\n')
    expect(new Set(await saved)).toEqual(new Set(['saved']))
  }
  for (const { stdin } of children) stdin?.end()
  expect(new Set((await Promise.all(ended)).map(([code]) => code as number))).toEqual(new Set([0]))
}

/** Every file that the newest snapshot and those beside the history hold, with every content that it has in one of them. */
async function readAll(server: Server): Promise<{ newest: Set<string>; all: Set<string> }> {
  const store = await openStore(server.url, { env: server.env })
  expect((await verifyArchive({ store, name })).problems).toEqual([])
  const all = new Set<string>()
  const newest = new Set<string>()
  const snapshots: (string | undefined)[] = [undefined]
  for (const at of snapshots) {
    const directory = join(newDirectory(), 'data')
    const restored = await restoreTree({ store, name, directory, at })
    // What every boot is told of.
    if (at === undefined && 'siblings' in restored) snapshots.push(...restored.siblings)
    for (const path of readdirSync(directory, { recursive: true }) as string[]) {
      all.add(path)
      if (at === undefined) newest.add(path)
    }
    rmSync(directory, { recursive: true })
  }
  await store.close()
  return { newest, all }
}

/** Whose first save the history holds, which is checked to hold all of everyone together with what lies beside it. */
async function eightWriters(server: Server): Promise<string[]> {
  try {
    const base = newDirectory()
    const first = join(base, 'first', 'data')
    mkdirSync(join(first, 'custom_nodes', 'shared'), { recursive: true })
    for (const path of ['common', 'log', 'custom_nodes/shared/init.py'])
      writeFileSync(join(first, path), path)
    const store = await openStore(server.url, { env: server.env })
    await saveTree({ store, name, directory: first })
    await store.close()
    await writeTogether(base, server)
    const { newest, all } = await readAll(server)
    for (const pod of PODS) {
      for (let round = 1; round <= ROUNDS; round++) {
        expect(all).toContain(`by-${pod}-${round}`)
        expect(all).toContain(`custom_nodes/of-${pod}/${round}`)
        expect(all).toContain(`custom_nodes/shared/by-${pod}-${round}`)
      }
    }
    expect(newest).toContain('common')
    return PODS.filter((pod) => newest.has(`by-${pod}-1`))
  } finally {
    await server.close()
  }
}

test('eight processes that save at once lose nothing of anyone, in a directory', async () => {
  const url = `file://${join(newDirectory(), 'store')}`
  const merged = await eightWriters({ url, env: {}, close: async () => {} })
  expect(merged.length).toBeGreaterThanOrEqual(5)
}, 240_000)

test.each(['honoured', 'ignored', 'refused'] as const)(
  'eight processes that save at once lose nothing of anyone, with conditional writes %s',
  async (conditionalWrites) => {
    const merged = await eightWriters(await startStubS3({ conditionalWrites }))
    // Without them nothing says that another was faster, and the slow one stays beside.
    expect(merged.length).toBeGreaterThanOrEqual(conditionalWrites === 'honoured' ? 5 : 1)
  },
  240_000,
)

requirement('s3', missingS3Server() ?? true)(
  'eight processes that save at once lose nothing of anyone, on a real server',
  async () => {
    const merged = await eightWriters(await startS3Server())
    expect(merged.length).toBeGreaterThanOrEqual(5)
  },
  240_000,
)
