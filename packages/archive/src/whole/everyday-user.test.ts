import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect } from 'vitest'
import { listSnapshots, restoreTree, saveTree } from '../index.ts'
import { newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'
const USER = 12345
const INDEX = fileURLToPath(new URL('../index.ts', import.meta.url))
const STORE = fileURLToPath(import.meta.resolve('@berth/object-store'))

/** Runs statements as an ordinary user, with `store`, `saveTree` and `restoreTree` at hand; answers what `result` is in the end. */
async function asUser(base: string, statements: string): Promise<unknown> {
  const script = join(base, `as-user-${Math.random()}.ts`)
  writeFileSync(
    script,
    `import { openStore } from '${STORE}'
const { restoreTree, saveTree } = await import(${JSON.stringify(INDEX)})
process.setgroups([]); process.setgid(${USER}); process.setuid(${USER})
const store = await openStore('file://${base}/store', { env: {} })
let result
try { ${statements} } catch (error) { result = { code: error.code, message: error.message } }
console.log(JSON.stringify(result))`,
  )
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (data) => (text += data))
  await once(child, 'close')
  return JSON.parse(text)
}

const asRoot = requirement('root', process.getuid?.() === 0 || 'only root becomes somebody else')

async function setUp() {
  const base = newDirectory()
  chmodSync(base, 0o777)
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const directory = join(base, 'root', 'nodes')
  mkdirSync(join(directory, 'sub'), { recursive: true })
  for (let index = 0; index < 20; index++) writeFileSync(join(directory, `f${index}`), `${index}`)
  return { base, store, directory }
}

/** The store's files belong to whoever wrote them. */
function share(base: string): void {
  const { execFileSync } = process.getBuiltinModule('node:child_process')
  execFileSync('chmod', ['-R', 'a+rwX', join(base, 'store')])
}

asRoot('a user without root takes no owner and no set-id bit away', async () => {
  const { base, store, directory } = await setUp()
  chownSync(join(directory, 'f1'), 77, 78)
  chmodSync(join(directory, 'f2'), 0o4755)
  symlinkSync('f1', join(directory, 'link'))
  chownSync(join(directory, 'sub'), 77, 78)
  await saveTree({ store, name, directory })
  share(base)
  const place = join(base, 'user', 'nodes')
  mkdirSync(join(base, 'user'))
  chmodSync(join(base, 'user'), 0o777)
  const restored = `result = await restoreTree({ store, name: '${name}', directory: '${place}' })`
  expect(await asUser(base, restored)).toMatchObject({ result: 'restored' })
  expect(lstatSync(join(place, 'f2')).mode & 0o7777).toBe(0o755)
  const saved = `result = await saveTree({ store, name: '${name}', directory: '${place}' })`
  expect(await asUser(base, saved)).toMatchObject({ result: 'unchanged' })
  tick()
  writeFileSync(join(place, 'f3'), 'changed')
  expect(await asUser(base, saved)).toMatchObject({ result: 'saved', changed: 1 })
  const back = join(base, 'back', 'nodes')
  await restoreTree({ store, name, directory: back })
  expect(lstatSync(join(back, 'f1'))).toMatchObject({ uid: 77, gid: 78 })
  expect(lstatSync(join(back, 'sub'))).toMatchObject({ uid: 77, gid: 78 })
  expect(lstatSync(join(back, 'f2')).mode & 0o7777).toBe(0o4755)
  expect(readFileSync(join(back, 'f3'), 'utf8')).toBe('changed')
})

asRoot('what a user may not read stays in the archive as it was', async () => {
  const { base, store, directory } = await setUp()
  mkdirSync(join(directory, 'closed', 'deep'), { recursive: true })
  writeFileSync(join(directory, 'closed', 'deep', 'x'), 'x')
  mkdirSync(join(directory, 'listed'))
  writeFileSync(join(directory, 'listed', 'y'), 'y')
  linkSync(join(directory, 'f1'), join(directory, 'z1'))
  await saveTree({ store, name, directory })
  share(base)
  const { execFileSync } = process.getBuiltinModule('node:child_process')
  execFileSync('chown', ['-R', `${USER}`, join(base, 'root')])
  tick()
  for (const [path, mode] of [
    ['closed', 0o000],
    ['listed', 0o644],
    ['f1', 0o000],
  ] as const) {
    chownSync(join(directory, path), 0, 0)
    chmodSync(join(directory, path), mode)
  }
  writeFileSync(join(directory, 'new'), 'new')
  const saved = `result = await saveTree({ store, name: '${name}', directory: '${directory}' })`
  const result = await asUser(base, saved)
  expect(result).toMatchObject({ result: 'saved', sibling: false, deleted: 0 })
  const back = join(base, 'back', 'nodes')
  await restoreTree({ store, name, directory: back })
  const read = (path: string) => readFileSync(join(back, path), 'utf8')
  expect([read('closed/deep/x'), read('listed/y'), read('f1'), read('z1')]).toEqual([
    'x',
    'y',
    '1',
    '1',
  ])
  expect(read('new')).toBe('new')
  // What is gone later is gone.
  execFileSync('rm', ['-rf', join(directory, 'closed')])
  expect(await asUser(base, saved)).toMatchObject({ result: 'saved', deleted: 1 })
})

asRoot('a user restores read-only directories, also over a cut attempt', async () => {
  const { base, store, directory } = await setUp()
  writeFileSync(join(directory, 'sub', 'x'), 'x')
  writeFileSync(join(directory, 'long'), Buffer.alloc(5_000_000, 'long'))
  chmodSync(join(directory, 'long'), 0)
  chmodSync(join(directory, 'sub'), 0o555)
  chmodSync(directory, 0o555)
  await saveTree({ store, name, directory })
  share(base)
  mkdirSync(join(base, 'user'))
  chmodSync(join(base, 'user'), 0o777)
  const place = join(base, 'user', 'nodes')
  const call = `await restoreTree({ store, name: '${name}', directory: '${place}', signal })`
  const cut = `
  const controller = new AbortController(), signal = controller.signal
  const { writeFile } = await import('node:fs/promises')
  const cut = setTimeout(() => controller.abort(new Error('cut')), 120)
  result = ${call}`
  await asUser(base, cut)
  const restored = `const signal = undefined; result = ${call}`
  expect(['restored', 'kept']).toContain(
    ((await asUser(base, restored)) as { result: string }).result,
  )
  expect(lstatSync(place).mode & 0o777).toBe(0o555)
  expect(lstatSync(join(place, 'sub')).mode & 0o777).toBe(0o555)
  expect(lstatSync(join(place, 'long')).mode & 0o777).toBe(0)
  const saved = `result = await saveTree({ store, name: '${name}', directory: '${place}' })`
  expect(await asUser(base, saved)).toMatchObject({ result: 'unchanged' })
})

asRoot('a restore gives back the group below a directory that passes on its own', async () => {
  const { base, store, directory } = await setUp()
  await saveTree({ store, name, directory })
  const parent = join(base, 'shared')
  mkdirSync(parent)
  chownSync(parent, 0, 4242)
  chmodSync(parent, 0o2775)
  await restoreTree({ store, name, directory: join(parent, 'nodes') })
  for (const path of ['', 'sub', 'f1']) {
    const { gid, mode } = lstatSync(join(parent, 'nodes', path))
    expect([gid, mode & 0o6000]).toEqual([0, 0])
  }
  expect(await saveTree({ store, name, directory: join(parent, 'nodes') })).toMatchObject({
    result: 'unchanged',
  })
  expect(await listSnapshots(store, name)).toHaveLength(1)
  expect(existsSync(join(parent, 'nodes', 'f1'))).toBe(true)
})
