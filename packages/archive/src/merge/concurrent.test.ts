import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openStore } from '@berth/object-store'
import { startStubS3 } from '@berth/object-store/testing'
import { expect, test } from 'vitest'
import { listSnapshots, readRecord, restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'
const INDEX = fileURLToPath(new URL('../index.ts', import.meta.url))

function fill(directory: string, text: string, count = 10): void {
  mkdirSync(join(directory, 'a'), { recursive: true })
  for (let index = 0; index < count; index++)
    writeFileSync(join(directory, 'a', `f${index}`), `${text} ${index}`)
}

test.each(['honoured', 'ignored', 'refused'] as const)(
  'eight savers at once lose nothing of anyone, with conditional writes %s',
  async (conditionalWrites) => {
    const base = newDirectory()
    const server = await startStubS3({ conditionalWrites })
    const open = () => openStore(server.url, { env: server.env })
    try {
      const first = join(base, 'first', 'nodes')
      fill(first, 'common')
      await saveTree({ store: await open(), name, directory: first })
      const pods = Array.from({ length: 8 }, (_, index) => `pod${index}`)
      await Promise.all(
        pods.map(async (pod) =>
          restoreTree({ store: await open(), name, directory: join(base, pod, 'nodes') }),
        ),
      )
      tick()
      for (const round of [1, 2]) {
        for (const pod of pods)
          writeFileSync(join(base, pod, 'nodes', `by-${pod}-${round}`), `${pod} ${round}`)
        await Promise.all(
          pods.map(async (pod) =>
            saveTree({ store: await open(), name, directory: join(base, pod, 'nodes'), pod }),
          ),
        )
        tick()
      }
      // Whatever a boot is told of, restored.
      const fresh = join(base, 'fresh', 'nodes')
      const restored = await restoreTree({ store: await open(), name, directory: fresh })
      const siblings = 'siblings' in restored ? restored.siblings : []
      const seen = new Set(readdirSync(fresh))
      const store = await open()
      await Promise.all(
        siblings.map(async (at) => {
          const directory = join(base, at, 'nodes')
          await restoreTree({ store, name, directory, at })
          for (const entry of readdirSync(directory)) seen.add(entry)
        }),
      )
      for (const pod of pods) {
        expect(seen).toContain(`by-${pod}-1`)
        expect(seen).toContain(`by-${pod}-2`)
      }
    } finally {
      await server.close()
    }
  },
  300_000,
)

test('a lost answer to the manifest is no second snapshot', async () => {
  const base = newDirectory()
  const server = await startStubS3()
  try {
    const store = await openStore(server.url, { env: server.env })
    const directory = join(base, 'one', 'nodes')
    fill(directory, 'one')
    for (const generation of [1, 2, 3]) {
      server.fault({ kind: 'lose-answer', method: 'PUT', key: /json\.zst$/, times: 1 })
      tick()
      writeFileSync(join(directory, 'f'), `${generation}`)
      expect(await saveTree({ store, name, directory })).toMatchObject({
        result: 'saved',
        generation,
        sibling: false,
      })
    }
    expect(await listSnapshots(store, name)).toHaveLength(3)
  } finally {
    await server.close()
  }
})

test('a save whose hint or hashes are lost is still a save', async () => {
  const base = newDirectory()
  const server = await startStubS3()
  try {
    const store = await openStore(server.url, { env: server.env })
    const directory = join(base, 'one', 'nodes')
    fill(directory, 'one')
    server.fault({ kind: { status: 403 }, key: /latest/ })
    expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'saved' })
    for (const key of server.objects.keys()) {
      if (key.endsWith('.hashes')) server.objects.delete(key)
    }
    tick()
    for (const file of readdirSync(join(directory, 'a'))) {
      const path = join(directory, 'a', file)
      writeFileSync(path, readFileSync(path))
    }
    server.clearFaults()
    expect(await saveTree({ store, name, directory })).toMatchObject({ sibling: false })
    await restoreTree({ store, name, directory: join(base, 'two', 'nodes') })
    expect(describeTree(join(base, 'two', 'nodes'))).toEqual(describeTree(directory))
  } finally {
    await server.close()
  }
})

test('saves of one directory at once make one history', async () => {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const directory = join(base, 'one', 'nodes')
  fill(directory, 'one', 200)
  await saveTree({ store, name, directory })
  for (let round = 0; round < 3; round++) {
    tick()
    writeFileSync(join(directory, `f${round}`), `${round}`)
    const results = await Promise.all([1, 2, 3].map(() => saveTree({ store, name, directory })))
    expect(results.map(({ result }) => result).toSorted()).toEqual([
      'saved',
      'unchanged',
      'unchanged',
    ])
  }
  expect((await listSnapshots(store, name)).filter(({ sibling }) => sibling)).toEqual([])
})

function runProcess(script: string, wrapper: string[] = []) {
  const command = [...wrapper, process.execPath, script]
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (data) => (text += data))
  return { child, output: once(child, 'close').then(([code]) => ({ code: code as number, text })) }
}

function restoreScript(base: string, url: string, directory: string): string {
  const path = join(base, `restore-${directory.split('/').at(-2)}.ts`)
  const store = fileURLToPath(import.meta.resolve('@berth/object-store'))
  writeFileSync(
    path,
    `import { openStore } from '${store}'
const { restoreTree } = await import(${JSON.stringify(INDEX)})
const store = await openStore('${url}', { env: {} })
console.log(JSON.stringify(await restoreTree({ store, name: '${name}', directory: '${directory}' })))`,
  )
  return path
}

const canUnshare = (() => {
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

test.each([
  ['in one container', []],
  ['in containers that share a volume', ['unshare', '--net']],
])(
  'restores at once of one directory end with one whole tree, %s',
  async (_, wrapper) => {
    if (wrapper.length > 0 && !canUnshare) return
    const base = newDirectory()
    const url = `file://${join(base, 'store')}`
    const store = await openStore(url, { env: {} })
    const source = join(base, 'source', 'nodes')
    fill(source, 'source', 3000)
    writeFileSync(join(source, 'big'), Buffer.alloc(70_000_000, 'big'))
    await saveTree({ store, name, directory: source })
    const directory = join(base, 'pod', 'nodes')
    const code = restoreScript(base, url, directory)
    const results = await Promise.all([1, 2, 3].map(() => runProcess(code, wrapper).output))
    expect(results.map((result) => result.code)).toEqual([0, 0, 0])
    expect(
      results.map(({ text }) => (JSON.parse(text) as { result: string }).result).toSorted(),
    ).toEqual(['kept', 'kept', 'restored'])
    expect(describeTree(directory)).toEqual(describeTree(source))
    expect(await readRecord(directory)).toMatchObject({ complete: true, generation: 1 })
    expect(readdirSync(join(base, 'pod')).toSorted()).toEqual(['.berth', 'nodes'])
  },
  60_000,
)

test('a restore that is killed anywhere is continued, also by the next container', async () => {
  const base = newDirectory()
  const url = `file://${join(base, 'store')}`
  const store = await openStore(url, { env: {} })
  const source = join(base, 'source', 'nodes')
  fill(source, 'source', 2000)
  writeFileSync(join(source, 'big'), Buffer.alloc(70_000_000, 'big'))
  await saveTree({ store, name, directory: source })
  for (let round = 0; round < 6; round++) {
    const directory = join(base, `pod${round}`, 'nodes')
    const { child, output } = runProcess(restoreScript(base, url, directory))
    const state = join(base, `pod${round}`, '.berth', 'trees', 'nodes')
    while (child.exitCode === null && !exists(state)) await new Promise((r) => setTimeout(r, 2))
    await new Promise((resolve) => setTimeout(resolve, round * 40))
    child.kill('SIGKILL')
    await output
    const result = await restoreTree({ store, name, directory })
    expect(['restored', 'kept']).toContain(result.result)
    expect(describeTree(directory)).toEqual(describeTree(source))
    expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
    expect(readdirSync(state).filter((entry) => !/^(record|index|clock)/.test(entry))).toEqual([])
    rmSync(join(base, `pod${round}`), { recursive: true })
  }
}, 120_000)

function exists(path: string): boolean {
  try {
    return readdirSync(path).length > 0
  } catch {
    return false
  }
}
