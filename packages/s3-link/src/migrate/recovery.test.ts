import {
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '@berth/core/testing'
import type { FileStore } from '@berth/object-store'
import type { S3Server } from '@berth/object-store/testing'
import { givenRealBucket } from '../testing/real-bucket.ts'
import { migrate, type MigrateSettings } from './migrate.ts'

/** What a run finds: in the folder's place, and beside it; each may have been left by one that was killed. */
describe('what a migration finds', () => {
  let server: S3Server
  let store: FileStore
  let count = 0
  givenRealBucket((bucket) => ({ server, store } = bucket))

  const begin = async (): Promise<MigrateSettings & { original: string }> => {
    const base = await temporaryDirectory()
    const prefix = `r${count++}`
    const folder = join(base, 'output')
    const target = join(server.directory, 'pods', prefix)
    await mkdir(target, { recursive: true })
    const state = join(base, 'state')
    const original = `${folder}.berth-original`
    return { folder, original, target, prefix, store, state, quiesceMs: 500 }
  }

  const expectMoved = async (
    world: Awaited<ReturnType<typeof begin>>,
    names: readonly string[],
  ): Promise<void> => {
    expect(await readlink(world.folder)).toBe(world.target)
    expect((await readdir(world.target)).toSorted()).toEqual(names.toSorted())
    for (const name of names)
      expect((await readFile(join(world.target, name))).toString()).toBe(name)
  }

  const noMount = async (): Promise<void> => {
    throw new Error('no mount')
  }

  test('a folder, and nothing beside it: goes on with sending', async () => {
    const world = await begin()
    await fill(world.folder, ['a', 'b'])
    await expect(migrate({ ...world, requireTarget: noMount })).rejects.toThrow('no mount')
    const report = await migrate(world)
    // The first run had sent both before it asked for the mount.
    expect(report).toMatchObject({ state: 'moved', files: 2, sentBytes: 0 })
    await expectMoved(world, ['a', 'b'])
  })

  test('a folder, and a link made ready beside it: the link goes, and it begins again', async () => {
    const world = await begin()
    await fill(world.folder, ['a'])
    await symlink(world.target, world.original)
    await expect(migrate({ ...world, requireTarget: noMount })).rejects.toThrow('no mount')
    expect(await readdir(dirname(world.folder))).toEqual(['output', 'state'])
    await symlink(world.target, world.original)
    const report = await migrate(world)
    expect(report.originals).toEqual([world.original])
    expect(await readdir(world.original)).toEqual(['a'])
    await expectMoved(world, ['a'])
  })

  test('a folder, and a link of someone else’s under an original’s name: that stays', async () => {
    const world = await begin()
    await fill(world.folder, ['a'])
    await symlink('/elsewhere', world.original)
    const report = await migrate(world)
    expect(report.originals).toEqual([`${world.original}-2`])
    expect(await readlink(world.original)).toBe('/elsewhere')
    await expectMoved(world, ['a'])
  })

  test('nothing, an original, and a link made ready: finishes where the mount works, else rolls back', async () => {
    const world = await begin()
    await fill(world.original, ['a'])
    await symlink(world.target, `${world.original}-2`)
    await expect(migrate({ ...world, requireTarget: noMount })).rejects.toThrow('no mount')
    expect(await readdir(dirname(world.folder))).toEqual(['output', 'state'])
    expect(await readdir(world.folder)).toEqual(['a'])
    await rename(world.folder, world.original)
    await symlink(world.target, `${world.original}-2`)
    expect((await migrate(world)).originals).toEqual([world.original])
    await expectMoved(world, ['a'])
  })

  test('nothing, and an original: finishes where the mount works, else rolls back', async () => {
    const world = await begin()
    await fill(world.original, ['a'])
    await expect(migrate({ ...world, requireTarget: noMount })).rejects.toThrow('no mount')
    expect(await readdir(world.folder)).toEqual(['a'])
    await rename(world.folder, world.original)
    expect((await migrate(world)).originals).toEqual([world.original])
    await expectMoved(world, ['a'])
  })

  test('the link, and an original: goes on with what came late', async () => {
    const world = await begin()
    await fill(world.original, ['a', 'late'])
    await symlink(world.target, world.folder)
    expect(await migrate(world)).toMatchObject({ state: 'moved', news: 2 })
    await expectMoved(world, ['a', 'late'])
    expect(await migrate(world)).toMatchObject({ state: 'unchanged', news: 0 })
  })

  test('the two are swapped in one step, so that the original has its name as soon as the link is there', async () => {
    const world = await begin()
    await fill(world.folder, ['a'])
    const { ino } = await lstat(world.folder)
    let seen: string[] = []
    const exchange = async (one: string, other: string): Promise<boolean> => {
      const { exchangeNames } = await import('./exchange.ts')
      const isDone = await exchangeNames(one, other)
      seen = await readdir(dirname(world.folder))
      return isDone
    }
    await migrate({ ...world, exchange })
    expect(seen).toEqual(['output', 'output.berth-original', 'state'])
    expect((await lstat(world.original)).ino).toBe(ino)
    await expectMoved(world, ['a'])
  })

  test('another folder in its place, and an original: both are sent, and both stay', async () => {
    const world = await begin()
    await fill(world.original, ['a'])
    await fill(world.folder, ['b'])
    const report = await migrate(world)
    expect(report.originals).toEqual([world.original, `${world.original}-2`])
    expect(await readdir(`${world.original}-2`)).toEqual(['b'])
    await expectMoved(world, ['a', 'b'])
  })

  test('a foreign link, whatever is beside it: touches nothing', async () => {
    const world = await begin()
    await fill(world.original, ['a'])
    await symlink('/elsewhere', world.folder)
    await symlink(world.target, `${world.original}-2`)
    await expect(migrate(world)).rejects.toMatchObject({ code: 's3-link/foreign-link' })
    expect(await readlink(world.folder)).toBe('/elsewhere')
    expect(await readlink(`${world.original}-2`)).toBe(world.target)
    expect(await readdir(world.original)).toEqual(['a'])
    expect(await readdir(world.target)).toEqual([])
  })
})

/** Each file holds its own name. */
async function fill(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const name of names) await writeFile(join(folder, name), name)
}
