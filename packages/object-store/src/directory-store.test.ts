import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStore } from './open-store.ts'
import type { ObjectStore } from './store.ts'
import {
  failingCalls,
  missingMounts,
  missingStrace,
  runWithStore,
  withMounts,
} from './testing/store-program.ts'
import { testObjectStore } from './testing.ts'

const straceMissing = missingStrace()
const mountsMissing = missingMounts()

let parent: string
let root: string
let store: ObjectStore
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'berth-store-'))
  root = join(parent, 'store')
  store = await openStore(`file://${root}`, { env: {} })
})
afterEach(() => rm(parent, { recursive: true }))

testObjectStore('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-store-'))
  return {
    store: await openStore(`file://${directory}/made/by/the/first put`, { env: {} }),
    close: () => rm(directory, { recursive: true }),
  }
})

test('reading makes nothing', async () => {
  expect(await store.get('a')).toBeUndefined()
  expect(await keysOf('')).toEqual([])
  await store.remove(['a'])
  expect(await readdir(parent)).toEqual([])
})

test('an object is a plain file, and nothing else stays behind', async () => {
  await store.put('a/b', Buffer.from('x'))
  await store.put('a/b', Buffer.from('y'), { ifAbsent: true })
  await store.supportsConditionalWrites()
  expect(await readdir(root, { recursive: true })).toEqual(
    expect.arrayContaining(['a', join('a', 'b'), '.berth-tmp']),
  )
  expect(await readdir(join(root, '.berth-tmp'))).toEqual([])
})

test('a root that the store makes is not open to everyone, and one that is there stays as it is', async () => {
  await store.put('a/b', Buffer.from('x'))
  expect((await stat(root)).mode & 0o027).toBe(0)
  await chmod(root, 0o755)
  const again = await openStore(`file://${root}`, { env: {} })
  await again.put('a/c', Buffer.from('x'))
  expect((await stat(root)).mode & 0o777).toBe(0o755)
})

test('what killed writers left is not listed, and is removed after a day', async () => {
  await mkdir(join(root, '.berth-tmp'), { recursive: true })
  await writeFile(join(root, '.berth-tmp/old'), 'half')
  await writeFile(join(root, '.berth-tmp/young'), 'half')
  const longAgo = Date.now() / 1000 - 25 * 60 * 60
  await utimes(join(root, '.berth-tmp/old'), longAgo, longAgo)
  expect(await keysOf('')).toEqual([])
  await store.put('a', Buffer.from('x'))
  expect(await readdir(join(root, '.berth-tmp'))).toEqual(['young'])
  expect(await keysOf('')).toEqual(['a'])
})

test('a store that was removed is made again', async () => {
  await store.put('a', Buffer.from('x'))
  await rm(root, { recursive: true })
  expect(await store.get('a')).toBeUndefined()
  await store.put('b', Buffer.from('x'))
  expect(await keysOf('')).toEqual(['b'])
})

test('a directory is no object', async () => {
  await store.put('a/b', Buffer.from('x'))
  expect(await store.get('a')).toBeUndefined()
  expect(await store.head('a')).toBeUndefined()
  await store.remove(['a'])
  expect(await keysOf('')).toEqual(['a/b'])
})

test('parts of a store may be links to other disks, and no link leads round in a circle', async () => {
  const elsewhere = join(parent, 'elsewhere')
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'b'), 'x')
  await store.put('a', Buffer.from('x'))
  await symlink(elsewhere, join(root, 'chunks'))
  await symlink('a', join(root, 'link'))
  await symlink('.', join(root, 'circle'))
  await symlink('nowhere', join(root, 'dangling'))
  expect(await keysOf('')).toEqual(['a', 'chunks/b', 'link'])
  expect((await store.get('chunks/b'))?.toString()).toBe('x')
})

test('what lies below an object is missing', async () => {
  await store.put('a', Buffer.from('x'))
  expect(await store.get('a/b')).toBeUndefined()
  expect(await store.head('a/b')).toBeUndefined()
  expect(await keysOf('a/b')).toEqual([])
  await store.remove(['a/b'])
  expect((await store.get('a'))?.toString()).toBe('x')
})

test('an object in the way of a directory, and a directory in the way of an object, are said', async () => {
  await store.put('file', Buffer.from('x'))
  await store.put('directory/x', Buffer.from('x'))
  await expect(store.put('file/x', Buffer.from('y'))).rejects.toMatchObject({
    code: 'object-store/not-a-directory',
    message: `could not write \`file/x\` in file://${root}: a part of the path is a file`,
  })
  await expect(store.put('directory', Buffer.from('y'))).rejects.toMatchObject({
    code: 'object-store/not-a-file',
  })
})

test('a root that is a file is an error for readers too', async () => {
  await writeFile(root, 'I am a file')
  const code = 'object-store/not-a-directory'
  await expect(store.get('a')).rejects.toMatchObject({ code })
  await expect(store.head('a')).rejects.toMatchObject({ code })
  await expect(keysOf('')).rejects.toMatchObject({ code })
  await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({ code })
  await expect(store.remove(['a'])).rejects.toMatchObject({ code: 'object-store/remove-failed' })
})

test('where links can not be made, conditional writes are said not to work, and still spare what exists', async ({
  skip,
}) => {
  skip(straceMissing !== undefined, straceMissing)
  const script = `
    const put = (body) => store.put('a', Buffer.from(body), { ifAbsent: true })
    result = [await put('first'), await put('second'), String(await store.get('a')), await store.supportsConditionalWrites()]`
  for (const errno of ['EPERM', 'ENOSYS', 'EOPNOTSUPP']) {
    await rm(root, { recursive: true, force: true })
    const result = await runWithStore(failingCalls('link,linkat', errno), store.url, script)
    expect(result).toEqual(['written', 'exists', 'first', false])
  }
})

test.for([
  ['EACCES', 'object-store/access-denied', 'permission denied'],
  ['EIO', 'object-store/disk-error', 'the disk reported an error'],
  ['ESTALE', 'object-store/disk-error', 'the network volume is stale'],
] as const)(
  'an object that can not be opened (%s) is not missing',
  async ([errno, code, why], { skip }) => {
    skip(straceMissing !== undefined, straceMissing)
    await store.put('a', Buffer.from('x'))
    const wrapper = failingCalls('openat', errno, join(root, 'a'))
    const result = await runWithStore(wrapper, store.url, "result = await problem(store.get('a'))")
    expect(result).toEqual({ code, message: `could not read \`a\` in file://${root}: ${why}` })
  },
)

test('a file system without fsync for directories will do', async ({ skip }) => {
  skip(straceMissing !== undefined, straceMissing)
  await store.put('a', Buffer.from('x'))
  const wrapper = failingCalls('fsync', 'EINVAL', root)
  const script = "result = await store.put('a', Buffer.from('y'))"
  expect(await runWithStore(wrapper, store.url, script)).toBe('written')
})

test('an object that is not safe on the disk is not written', async ({ skip }) => {
  skip(straceMissing !== undefined, straceMissing)
  await store.put('a', Buffer.from('x'))
  const script = "result = await problem(store.put('a', Buffer.from('y')))"
  const result = await runWithStore(failingCalls('fsync', 'EIO'), store.url, script)
  expect(result).toMatchObject({ code: 'object-store/disk-error' })
  expect((await store.get('a'))?.toString()).toBe('x')
  expect(await readdir(join(root, '.berth-tmp'))).toEqual([])
})

test('a full disk and a read-only one are said, and leave nothing half-written', async ({
  skip,
}) => {
  skip(mountsMissing !== undefined, mountsMissing)
  await mkdir(root)
  const full = await runWithStore(
    withMounts(`mount -t tmpfs -o size=1m none '${root}'`),
    store.url,
    `await store.put('small', Buffer.from('x'))
     const error = await problem(store.put('big', Buffer.alloc(2 * 1024 * 1024)))
     const keys = []
     for await (const { key } of store.list('')) keys.push(key)
     const again = await store.put('fits', Buffer.alloc(500_000))
     result = { error, keys, again }`,
  )
  expect(full).toEqual({
    error: {
      code: 'object-store/no-room',
      message: `could not write \`big\` in file://${root}: the disk is full`,
    },
    keys: ['small'],
    again: 'written',
  })
  const readOnly = await runWithStore(
    withMounts(`mount -t tmpfs -o ro none '${root}'`),
    store.url,
    `const error = await problem(store.put('a', Buffer.from('x')))
     result = [error, (await store.get('a')) === undefined]`,
  )
  expect(readOnly).toMatchObject([{ code: 'object-store/read-only' }, true])
})

test('an abort while writing leaves nothing', async () => {
  const controller = new AbortController()
  const writing = store.put('big', Buffer.alloc(64 * 1024 * 1024), { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('stopped by the test')), 5)
  await expect(writing).rejects.toThrow('stopped by the test')
  expect(await store.get('big')).toBeUndefined()
  expect(await readdir(join(root, '.berth-tmp'))).toEqual([])
})

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}
