import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement, temporaryDirectory } from '@berth/core/testing'
import { openFileStore } from '@berth/object-store'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { expect, onTestFinished, test } from 'vitest'
import { drainSpool, mayRemoveSpooled } from './drain-spool.ts'
import { countSpools } from './spool.ts'

test('removes a file from a spool only when all speaks for it', () => {
  const whether = [true, false]
  for (const isProven of whether) {
    for (const isUnchanged of whether) {
      for (const writers of ['none', 'some', 'unknown'] as const) {
        for (const isInUse of whether) {
          const may = mayRemoveSpooled({ isProven, isUnchanged, writers, isInUse })
          expect(may).toBe(isProven && isUnchanged && writers === 'none' && !isInUse)
        }
      }
    }
  }
})

requirement('s3', missingS3Server() ?? true)(
  'sends what waits, replaces nothing in the bucket, and removes it when the link leads away',
  async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    const root = await temporaryDirectory()
    const spool = join(root, 'state', 'spool')
    const target = join(root, 'mount')
    const path = join(root, 'output')
    mkdirSync(join(spool, 'day'), { recursive: true })
    writeFileSync(join(spool, 'pic_00001_.png'), 'another picture')
    writeFileSync(join(spool, 'day', 'new.txt'), 'new')
    const link = { path, user: '', subfolder: 'output', target, spool }
    const url = `s3://${server.bucket}?endpoint=${server.endpoint}`
    const store = await openFileStore(url, { env: server.env })
    onTestFinished(() => store.close())
    await store.objects.put('output/pic_00001_.png', Buffer.from('the first picture'))
    const { signal } = new AbortController()
    symlinkSync(spool, path)
    await drainSpool(link, store, signal)
    expect(await countSpools([link])).toMatchObject({ files: 2, bytes: 18 })
    writeFileSync(join(spool, 'late.txt'), 'late')
    const away = { ...link, path: join(root, 'other') }
    symlinkSync(target, away.path)
    await drainSpool(away, store, signal)
    expect(readdirSync(spool)).toEqual([])
    const kept: Record<string, string | undefined> = {}
    for await (const { key } of store.objects.list('output/')) {
      kept[key.replace(/~[0-9a-f]+/, '~hash')] = (await store.objects.get(key))?.toString()
    }
    expect(kept).toEqual({
      'output/pic_00001_.png': 'the first picture',
      'output/pic_00001_~hash.png': 'another picture',
      'output/day/new.txt': 'new',
      'output/late.txt': 'late',
    })
  },
)
