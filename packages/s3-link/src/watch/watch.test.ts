import { createHash, randomBytes } from 'node:crypto'
import {
  appendFile,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import { openFileStore, type FileStore } from '@berth/object-store'
import type { S3Server } from '@berth/object-store/testing'
import { givenRealBucket } from '../testing/real-bucket.ts'
import { openWatch, type Watch, type WatchSettings } from './watch.ts'

describe('a watched folder', () => {
  let server: S3Server
  let store: FileStore
  let count = 0
  givenRealBucket((bucket) => ({ server, store } = bucket), { attempts: 2 })

  /** A folder with a place of its own in the bucket. */
  const begin = async (
    settings: Partial<WatchSettings> = {},
  ): Promise<{ watch: Watch; folder: string; prefix: string; settings: WatchSettings }> => {
    const base = await temporaryDirectory()
    const folder = settings.folder ?? join(base, 'output')
    await mkdir(folder, { recursive: true })
    const whole = { store, prefix: `w${count++}`, state: join(base, 'state'), ...settings, folder }
    const watch = await openWatch(whole)
    onTestFinished(() => watch.close())
    return { watch, folder, prefix: whole.prefix, settings: whole }
  }

  test('a file that is finished is in S3 soon, with its own bytes', async () => {
    const { watch, folder, prefix } = await begin()
    const picture = randomBytes(2_000_000)
    await writeFile(join(folder, 'pic.png'), picture)
    await mkdir(join(folder, 'deep/er'), { recursive: true })
    await writeFile(join(folder, 'deep/er/ü 1.txt'), 'words')
    await writeFile(join(folder, 'empty'), '')
    await until(() => watch.status().proven.files === 3)
    expect((await store.objects.get(`${prefix}/pic.png`))?.equals(picture)).toBe(true)
    expect((await store.objects.get(`${prefix}/deep/er/ü 1.txt`))?.toString()).toBe('words')
    expect(await store.objects.get(`${prefix}/empty`)).toEqual(Buffer.alloc(0))
    expect(watch.status()).toMatchObject({ state: 'watching', isSafeToStop: true })
  })

  test('a file that a program still writes to waits until it is closed', async () => {
    const { watch, folder, prefix } = await begin()
    const file = await open(join(folder, 'film.mp4'), 'w')
    await file.write(randomBytes(100_000))
    await until(() => watch.status().waiting[0]?.isOpen === true)
    await sleep(600)
    expect(watch.status()).toMatchObject({ isSafeToStop: false, pending: { files: 1 } })
    expect(await store.head(`${prefix}/film.mp4`)).toBeUndefined()
    await file.write(randomBytes(50_000))
    await file.close()
    await until(() => watch.status().isSafeToStop)
    expect((await store.head(`${prefix}/film.mp4`))?.size).toBe(150_000)
  })

  test('a changed file takes the place of what it was, and of nothing else', async () => {
    const { watch, folder, prefix } = await begin()
    await writeFile(join(folder, 'notes.json'), 'one')
    await until(() => watch.status().proven.files === 1)
    await appendFile(join(folder, 'notes.json'), ' two')
    await until(async () => (await textOf(`${prefix}/notes.json`)) === 'one two')
    await until(() => watch.status().isSafeToStop)

    const theirs = Buffer.from('by someone else')
    await store.objects.put(`${prefix}/notes.json`, theirs)
    await appendFile(join(folder, 'notes.json'), ' three')
    await until(() => watch.status().conflicts.length === 1)
    expect(await store.objects.get(`${prefix}/notes.json`)).toEqual(theirs)
    const key = `${prefix}/notes~${sha256('one two three').slice(0, 8)}.json`
    expect(watch.status().conflicts).toEqual([{ path: 'notes.json', key }])
    expect(await textOf(key)).toBe('one two three')
  })

  test('a counter that starts again replaces no picture', async () => {
    const { watch, folder, prefix } = await begin()
    await writeFile(join(folder, 'pic_00001_.png'), 'the first')
    await until(() => watch.status().proven.files === 1)
    await unlink(join(folder, 'pic_00001_.png'))
    await watch.drain(5_000)
    await writeFile(join(folder, 'pic_00001_.png'), 'another')
    await until(() => watch.status().conflicts.length === 1)
    expect(await textOf(`${prefix}/pic_00001_.png`)).toBe('the first')
    expect(await textOf(`${prefix}/pic_00001_~${sha256('another').slice(0, 8)}.png`)).toBe(
      'another',
    )
  })

  test('what S3 has already is not sent again, also when nothing is known of it', async () => {
    const { watch, folder, prefix, settings } = await begin()
    await writeFile(join(folder, 'a.bin'), randomBytes(3_000_000))
    await until(() => watch.status().isSafeToStop && watch.status().proven.files === 1)
    await watch.close()
    const again = await openWatch({ ...settings, state: `${settings.state}-2` })
    onTestFinished(() => again.close())
    await until(() => again.status().proven.files === 1)
    expect(again.status().sent.bytes).toBe(0)
    expect(await keysOf(prefix)).toEqual(['a.bin'])
  })

  test('a file that is removed here stays in S3', async () => {
    const { watch, folder, prefix } = await begin()
    for (let n = 0; n < 12; n++) await writeFile(join(folder, `${n}.txt`), `${n}`)
    await until(() => watch.status().proven.files === 12)
    await unlink(join(folder, '3.txt'))
    await watch.drain(5_000)
    await rename(folder, `${folder}-away`)
    await until(() => watch.status().state === 'halted', 8_000)
    expect(watch.status()).toMatchObject({
      reason: { code: 's3-link/root-vanished' },
      isSafeToStop: false,
    })
    expect((await keysOf(prefix)).length).toBe(12)
    await rename(`${folder}-away`, folder)
    await writeFile(join(folder, 'new.txt'), 'new')
    await until(() => watch.status().state === 'watching' && watch.status().proven.files === 13)
    expect((await keysOf(prefix)).length).toBe(13)
  })

  test('unfinished files, links and special files stay out, and are told', async () => {
    const place = join(await temporaryDirectory(), 'output')
    await mkdir(place)
    for (const name of ['model.safetensors.part', 'draft-1']) {
      await writeFile(join(place, name), 'x')
      await utimes(join(place, name), 1_000_000, 1_000_000)
    }
    const { watch, folder, prefix } = await begin({ ignore: ['draft-*'], folder: place })
    await writeFile(join(folder, 'done'), 'x')
    await symlink('done', join(folder, 'link'))
    // Nobody is at work on them any more.
    expect(await watch.drain(5_000)).toMatchObject({ isComplete: true })
    expect(watch.status().leftOut).toEqual({
      unfinished: 2,
      symlinks: 1,
      special: 0,
      unreadable: 0,
    })
    expect(await keysOf(prefix)).toEqual(['done'])
  })

  test('it is not safe to stop while a program is at work on an unfinished file', async () => {
    const { watch, folder, prefix } = await begin()
    await until(() => watch.status().isSafeToStop)
    const file = await open(join(folder, 'model.ckpt.part'), 'w')
    await file.write('half')
    await until(() => watch.status().pending.bytes === 4)
    expect(watch.status()).toMatchObject({
      isSafeToStop: false,
      pending: { files: 1, names: ['model.ckpt.part'] },
    })
    const report = await watch.drain(500)
    expect(report).toMatchObject({ isComplete: false, atRisk: ['model.ckpt.part'] })
    await file.write(' and whole')
    await file.close()
    await rename(join(folder, 'model.ckpt.part'), join(folder, 'model.ckpt'))
    expect(await watch.drain(10_000)).toMatchObject({ isComplete: true, atRisk: [] })
    expect(await textOf(`${prefix}/model.ckpt`)).toBe('half and whole')
  })

  test('a name that is no UTF-8 gets a key with the hash of its bytes', async () => {
    const { watch, folder, prefix } = await begin()
    const path = Buffer.concat([
      Buffer.from(`${folder}/b`),
      Buffer.from([0xff]),
      Buffer.from('.png'),
    ])
    await writeFile(path, 'odd')
    expect(await watch.drain(5_000)).toMatchObject({ isComplete: true })
    const [key = ''] = await keysOf(prefix)
    expect(key).toMatch(/^b_~[0-9a-f]{8}\.png$/)
    expect(await textOf(`${prefix}/${key}`)).toBe('odd')
  })

  test('a big file goes on from the parts that have arrived, and pictures pass it', async () => {
    const { watch, folder, prefix, settings } = await begin({ bigFileBytes: 20_000_000 })
    const big = randomBytes(90_000_000)
    await writeFile(join(folder, 'big.ckpt'), big)
    const parts = () =>
      server.requests.filter(({ query, status }) => query.includes('partNumber') && status === 200)
        .length
    await until(() => parts() >= 2)
    await watch.close()
    const before = parts()
    const again = await openWatch(settings)
    onTestFinished(() => again.close())
    await writeFile(join(folder, 'small.png'), 'small')
    expect(await again.drain(20_000)).toMatchObject({ isComplete: true, atRisk: [] })
    const sent = parts() - before
    expect(sent).toBeLessThan(5)
    expect((await store.objects.get(`${prefix}/big.ckpt`))?.equals(big)).toBe(true)
    expect(await store.listUploads(prefix)).toEqual([])
  })

  test('a drain that has too little time says what is at risk', async () => {
    const { watch, folder } = await begin()
    const file = await open(join(folder, 'open.bin'), 'w')
    await file.write('x')
    await writeFile(join(folder, 'closed.bin'), 'y')
    await until(() => watch.status().proven.files === 1)
    const report = await watch.drain(1_000)
    expect(report).toMatchObject({ isComplete: false, atRisk: ['open.bin'] })
    expect(report.remaining).toMatchObject({ files: 1, bytes: 1, names: ['open.bin'] })
    await file.close()
    expect(await watch.drain(5_000)).toMatchObject({ isComplete: true, atRisk: [] })
  })

  test('only one watches a folder', async () => {
    const { settings, watch } = await begin()
    await expect(openWatch(settings)).rejects.toMatchObject({ code: 's3-link/already-watched' })
    await watch.close()
    const again = await openWatch(settings)
    await again.close()
    const { folder, state } = settings
    await expect(openWatch({ ...settings, folder: join(folder, 'none') })).rejects.toMatchObject({
      code: 's3-link/not-a-folder',
    })
    await expect(openWatch({ ...settings, state: join(folder, state) })).rejects.toMatchObject({
      code: 's3-link/bad-state',
    })
  })

  test('evicts what S3 is proven to have, and keeps the newest of a series', async () => {
    const { watch, folder, prefix } = await begin({ evict: { minAgeMs: 0 } })
    for (const n of ['00001', '00002', '00010']) await writeFile(join(folder, `p_${n}_.png`), n)
    await writeFile(join(folder, 'other'), 'other')
    await until(() => watch.status().proven.files === 4)
    const file = await open(join(folder, 'other'), 'a')
    await until(async () => {
      await watch.drain(1_000)
      return watch.status().evicted.files === 2
    })
    // On record before it is done.
    await until(async () => (await readdir(folder)).length === 2)
    expect((await readdir(folder)).toSorted()).toEqual(['other', 'p_00010_.png'])
    expect(await keysOf(prefix)).toHaveLength(4)
    // What S3 has is another now, so the local file stays.
    await store.objects.put(`${prefix}/other`, Buffer.from('OTHER'))
    await file.close()
    await watch.drain(1_000)
    await watch.drain(1_000)
    expect(await readdir(folder)).toContain('other')
    expect(watch.status().evicted.files).toBe(2)
  })

  test('keeps as many of a series as it is told to', async () => {
    const { watch, folder } = await begin()
    for (const n of ['1', '2', '9', '10']) await writeFile(join(folder, `p_${n}.png`), n)
    await until(() => watch.status().proven.files === 4)
    watch.adjust({ evict: { minAgeMs: 0, keepNewest: 3 } })
    await until(async () => {
      await watch.drain(1_000)
      return watch.status().evicted.files === 1
    })
    await until(async () => (await readdir(folder)).length === 3)
    expect((await readdir(folder)).toSorted()).toEqual(['p_10.png', 'p_2.png', 'p_9.png'])
  })

  test('begins nothing while it is paused, and a drain sends all the same', async () => {
    const { watch, folder } = await begin({ isPaused: true })
    await writeFile(join(folder, 'a'), 'a')
    await until(() => watch.status().waiting[0]?.state === 'queued')
    await sleep(300)
    expect(watch.status()).toMatchObject({ isPaused: true, isSafeToStop: false })
    watch.adjust({})
    await until(() => watch.status().isSafeToStop)
    watch.adjust({ isPaused: true })
    await writeFile(join(folder, 'b'), 'b')
    expect(await watch.drain(10_000)).toMatchObject({ isComplete: true })
    expect(watch.status().isPaused).toBe(true)
  })

  test('sends no faster than it may, but at the end', async () => {
    const { watch, folder } = await begin({ bytesPerSecond: 1_000 })
    for (const name of ['a', 'b', 'c']) await writeFile(join(folder, name), randomBytes(100_000))
    await until(() => watch.status().proven.files === 1)
    await sleep(500)
    // The next one has its turn after a hundred seconds.
    expect(watch.status()).toMatchObject({ proven: { files: 1 }, isSafeToStop: false })
    await writeFile(join(folder, 'd'), 'd')
    expect(await watch.drain(10_000)).toMatchObject({ isComplete: true })
  })

  test('a vanished bucket and a wrong key are told, and nothing is given up', async () => {
    const stranger = await openFileStore(server.url, {
      env: { ...server.env, AWS_SECRET_ACCESS_KEY: 'wrong' },
      patience: { attempts: 1 },
    })
    onTestFinished(() => stranger.close())
    const { watch, folder, settings } = await begin({ store: stranger })
    await writeFile(join(folder, 'kept'), 'x')
    await until(() => watch.status().reason !== undefined)
    expect(watch.status()).toMatchObject({
      reason: { code: 'object-store/bad-credentials' },
      waiting: [{ path: 'kept', failure: { code: 'object-store/bad-credentials' } }],
      isSafeToStop: false,
    })
    await watch.close()
    const again = await openWatch({ ...settings, store })
    onTestFinished(() => again.close())
    expect(await again.drain(5_000)).toMatchObject({ isComplete: true })
    await rm(folder, { recursive: true })
  })

  const textOf = async (key: string): Promise<string | undefined> =>
    (await store.objects.get(key))?.toString()
  const keysOf = async (prefix: string): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of store.objects.list(`${prefix}/`))
      keys.push(key.slice(prefix.length + 1))
    return keys
  }
})

async function until(isTrue: () => boolean | Promise<boolean>, mostMs = 10_000): Promise<void> {
  const end = performance.now() + mostMs
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error('it did not happen in time')
    await sleep(20)
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
