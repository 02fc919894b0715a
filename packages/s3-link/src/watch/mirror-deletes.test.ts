import { mkdir, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { openFileStore, type FileStore } from '@berth/object-store'
import { startStubS3 } from '@berth/object-store/testing'
import { whyHeld } from './mirror-deletes.ts'
import { openWatch, type Watch } from './watch.ts'

test.each([
  [{ due: 1, known: 2 }, undefined],
  [{ due: 1, known: 1 }, '1 of 1 files are gone, more than half'],
  [{ due: 6, known: 10 }, '6 of 10 files are gone, more than half'],
  [{ due: 1_000, known: 2_000 }, undefined],
  [{ due: 1_001, known: 90_000 }, '1001 files are gone, more than 1000'],
  [{ due: 1, known: 9, hasMark: false }, '`.berth-root`, which marks the folder, is not in it'],
  [{ due: 1, known: 9, isClockSteady: false }, 'the clock was changed'],
])('of removals %o the reason to hold them back is %s', (facts, reason) => {
  expect(whyHeld({ hasMark: true, isClockSteady: true, ...facts })).toBe(reason)
})

test('an object goes after its file, when it is still what the file put there', async () => {
  const { watch, folder, store, keys } = await begin(0)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await writeFile(join(folder, name), name)
  await until(() => watch.status().proven.files === 5)
  await until(async () => (await readdir(folder)).includes('.berth-root'))
  await store.objects.put('m/b', Buffer.from('someone else’s'))
  await unlink(join(folder, 'a'))
  await unlink(join(folder, 'b'))
  await untilScanned(watch, async () => !(await keys()).includes('m/a'))
  expect(await keys()).toEqual(['m/b', 'm/c', 'm/d', 'm/e'])
  expect(watch.status()).toMatchObject({ note: undefined, proven: { files: 3 } })
  // Under a name that was given up, there is a new object.
  await writeFile(join(folder, 'a'), 'another')
  await until(async () => (await keys()).includes('m/a'))
})

test('nothing is removed before its time, nor without the mark, nor when half of all is gone', async () => {
  const { watch, folder, keys } = await begin(0)
  for (const name of ['a', 'b', 'c', 'd', 'e']) await writeFile(join(folder, name), name)
  await until(() => watch.status().proven.files === 5)
  await until(async () => (await readdir(folder)).includes('.berth-root'))
  for (const name of ['a', 'b', 'c']) await unlink(join(folder, name))
  await untilScanned(watch, () => watch.status().note !== undefined)
  expect(watch.status().note).toMatchObject({ code: 's3-link/removals-held' })
  await writeFile(join(folder, 'a'), 'a')
  await rename(join(folder, '.berth-root'), join(folder, '.berth-away'))
  await untilScanned(watch, () => watch.status().note?.message.includes('.berth-root') === true)
  expect(await keys()).toEqual(expect.arrayContaining(['m/a', 'm/b', 'm/c', 'm/d', 'm/e']))
  await rename(join(folder, '.berth-away'), join(folder, '.berth-root'))
  await untilScanned(watch, async () => !(await keys()).includes('m/b'))
  expect(await keys()).toEqual(expect.arrayContaining(['m/a', 'm/d', 'm/e']))

  const later = await begin(60_000)
  for (const name of ['a', 'b', 'c']) await writeFile(join(later.folder, name), name)
  await until(() => later.watch.status().proven.files === 3)
  await unlink(join(later.folder, 'a'))
  for (let n = 0; n < 3; n++) await later.watch.drain(2_000)
  expect(await later.keys()).toEqual(['m/a', 'm/b', 'm/c'])
})

test('another folder in the place of the one that was watched removes nothing', async () => {
  const { watch, folder, keys } = await begin(0)
  for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), name)
  await until(() => watch.status().proven.files === 3)
  await until(async () => (await readdir(folder)).includes('.berth-root'))
  await rename(folder, `${folder}-away`)
  await mkdir(folder)
  await writeFile(join(folder, 'other'), 'other')
  await untilScanned(watch, async () => (await keys()).includes('m/other'))
  for (let n = 0; n < 3; n++) await watch.drain(2_000)
  expect(await keys()).toEqual(['m/a', 'm/b', 'm/c', 'm/other'])
  await rm(`${folder}-away`, { recursive: true })
})

async function begin(graceMs: number): Promise<{
  watch: Watch
  folder: string
  store: FileStore
  keys: () => Promise<string[]>
}> {
  const stub = await startStubS3()
  onTestFinished(() => stub.close())
  const base = await temporaryDirectory()
  const folder = join(base, 'output')
  await mkdir(folder)
  const store = await openFileStore(stub.url, { env: stub.env })
  const state = join(base, 'state')
  const settings = { folder, state, store, prefix: 'm', mirrorDeletes: { graceMs } }
  const watch = await openWatch(settings)
  onTestFinished(async () => {
    await watch.close()
    await store.close()
  })
  const keys = async (): Promise<string[]> => {
    const found: string[] = []
    for await (const { key } of store.objects.list('m/')) found.push(key)
    return found
  }
  return { watch, folder, store, keys }
}

/** A drain scans at once, and what follows a scan follows it. */
async function untilScanned(watch: Watch, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  await until(async () => {
    await watch.drain(2_000)
    await sleep(20)
    return isTrue()
  })
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await isTrue()) return
    await sleep(20)
  }
  throw new Error('it did not happen in time')
}
