import { createHash } from 'node:crypto'
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
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import type { FileStore } from '@berth/object-store'
import type { S3Server } from '@berth/object-store/testing'
import { migrate, type MigrateSettings } from './migrate.ts'
import { givenRealBucket } from '../testing/real-bucket.ts'
import { planMigration } from './plan-migration.ts'

interface World extends MigrateSettings {
  folder: string
}

describe('a migration', () => {
  let server: S3Server
  let store: FileStore
  let count = 0
  givenRealBucket((bucket) => ({ server, store } = bucket))

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
    const before = await planMigration(world)
    expect(before).toMatchObject({ files: 3, bytes: 2, news: 3, newBytes: 2, originals: [] })
    expect(await readdir(join(world.folder, '..'))).toEqual(['output'])
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

  test('removes of the originals what S3 is proven to have, when it is told to, and lists the rest', async () => {
    const world = await begin({ 'deep/a.png': 'a', 'b.png': 'b', 'c.png': 'c', 'd.png': 'd' })
    await store.objects.put(`${world.prefix}/c.png`, Buffer.from('theirs'))
    await symlink('b.png', join(world.folder, 'alias'))
    const original = `${world.folder}.berth-original`
    await migrate(world)
    // Someone else has put something in its object's place since.
    await store.objects.put(`${world.prefix}/d.png`, Buffer.from('D'))
    const report = await migrate({ ...world, removeOriginals: true })
    expect(report.originals).toEqual([original])
    expect(report.removed).toMatchObject({ files: 2, bytes: 2 })
    expect(report.removed?.kept.toSorted((one, other) => (one.path < other.path ? -1 : 1))).toEqual(
      [
        { path: 'alias', why: 'a link' },
        { path: 'c.png', why: 'it is in the bucket under another name' },
        { path: 'd.png', why: 'the bucket does not have it as it was sent' },
      ],
    )
    expect((await readdir(original)).toSorted()).toEqual(['alias', 'c.png', 'd.png'])
    expect((await shaOf(world.prefix)).size).toBe(5)
  })

  test('an original of which everything is in the bucket goes as a whole', async () => {
    const world = await begin({ 'deep/er/a.png': 'a', 'b.png': 'b' })
    const report = await migrate({ ...world, removeOriginals: true })
    expect(report).toMatchObject({ originals: [], removed: { files: 2, bytes: 2, kept: [] } })
    expect(await readdir(join(world.folder, '..'))).toEqual(['output', 'state'])
  })

  test('what was about to be removed when it was killed is not sent under that name', async () => {
    const world = await begin({ 'a.png': 'a' })
    await migrate(world)
    const original = `${world.folder}.berth-original`
    await rename(join(original, 'a.png'), join(original, '.a.png.berth-evict'))
    await migrate(world)
    expect(await readdir(original)).toEqual(['a.png'])
    expect([...(await shaOf(world.prefix)).keys()]).toEqual(['a.png'])
  })

  test('folders with nothing in them are made where the link leads', async () => {
    const world = await begin({ 'deep/a.png': 'a' })
    await mkdir(join(world.folder, 'b/c'), { recursive: true })
    await mkdir(join(world.folder, 'deep/d'))
    const made: string[] = []
    await migrate({ ...world, makeFolders: async (names) => void made.push(...names) })
    expect(made.toSorted()).toEqual(['b/c', 'deep/d'])
  })

  test('a plan says what the bucket has already, and what would end it', async () => {
    const world = await begin({ 'a.png': 'a', 'b.png': 'bb' })
    await store.objects.put(`${world.prefix}/b.png`, Buffer.from('theirs'))
    await mkdir(join(world.folder, 'empty'))
    expect(await planMigration(world)).toEqual({
      files: 2,
      bytes: 3,
      news: 2,
      newBytes: 3,
      taken: [{ path: 'b.png', size: 2, sizeInBucket: 6, isOwn: false }],
      leftOut: [],
      refused: [],
      emptyFolders: ['empty'],
      openFiles: [],
      originals: [],
    })
    expect(await readdir(join(world.folder, '..'))).toEqual(['output'])
  })

  test('a plan tells what a folder sent itself, and what would be removed of its original', async () => {
    const world = await begin({ 'a.png': 'a', 'b.png': 'b', 'c.png': 'c' })
    await store.objects.put(`${world.prefix}/c.png`, Buffer.from('theirs'))
    await symlink('a.png', join(world.folder, 'alias'))
    await migrate(world)
    const original = `${world.folder}.berth-original`
    await writeFile(join(original, 'a.png'), 'changed')
    await writeFile(join(original, 'new.png'), 'new')
    const { taken, removal } = await planMigration({ ...world, removeOriginals: true })
    expect(taken).toEqual([{ path: 'a.png', size: 7, sizeInBucket: 1, isOwn: true }])
    const kept = [
      { path: 'c.png', why: 'it is in the bucket under another name' },
      { path: 'alias', why: 'a link' },
    ]
    expect(removal).toEqual({ files: 3, bytes: 11, kept })
    expect((await readdir(original)).toSorted()).toEqual(
      ['a.png', 'alias', 'b.png', 'c.png', 'new.png'].toSorted(),
    )

    const { removed } = await migrate({ ...world, removeOriginals: true })
    expect(removed).toMatchObject({ files: 3, bytes: 11 })
    expect(removed?.kept.map(({ path }) => path).toSorted()).toEqual(['alias', 'c.png'])
    expect((await store.objects.get(`${world.prefix}/a.png`))?.toString()).toBe('changed')
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

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
