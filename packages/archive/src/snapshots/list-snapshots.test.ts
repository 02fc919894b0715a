import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { describeArchives, listSnapshots } from './list-snapshots.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from '../save/save.ts'
import { newDirectory, tick } from '../testing.ts'
import { verifyArchive } from '../verify/verify.ts'

const name = 'lab/custom_nodes'
let base: string
let directory: string

beforeEach(() => {
  base = newDirectory()
  directory = join(base, 'pod', 'custom_nodes')
})

const open = () => openStore(`file://${base}/store`, { env: {} })

function write(path: string, content: string): void {
  mkdirSync(join(directory, path, '..'), { recursive: true })
  writeFileSync(join(directory, path), content)
}

async function save(pod: string, more: { name?: string; directory?: string } = {}) {
  tick()
  return saveTree({ store: await open(), name, directory, pod, ...more })
}

test('tells of each snapshot what it changed against the one it was made from', async () => {
  write('lib/site-packages/numpy-2.0.1.dist-info/METADATA', 'm')
  write('lib/site-packages/pandas-2.2.0.dist-info/METADATA', 'm')
  write('manager/a.py', 'a')
  write('gone/a.py', 'a')
  write('same/a.py', 'a')
  await save('first')
  rmSync(join(directory, 'lib/site-packages/numpy-2.0.1.dist-info'), { recursive: true })
  rmSync(join(directory, 'lib/site-packages/pandas-2.2.0.dist-info'), { recursive: true })
  rmSync(join(directory, 'gone'), { recursive: true })
  write('lib/site-packages/numpy-2.1.0.dist-info/METADATA', 'm')
  write('lib/site-packages/torch-2.5.0.dist-info/METADATA', 'm')
  write('manager/a.py', 'changed')
  write('new/a.py', 'a')
  await save('second')
  const [second, first] = await listSnapshots(await open(), name, { changes: true })
  expect(first).toMatchObject({ name: '00000001', pod: 'first', files: 5, parent: null })
  expect(first?.changes).toBeUndefined()
  expect(second).toMatchObject({ name: '00000002', pod: 'second', sibling: false, unread: 0 })
  expect(second?.changes).toEqual({
    since: '00000001',
    added: 3,
    changed: 1,
    removed: 3,
    units: [
      { unit: 'numpy', change: 'changed', from: '2.0.1', to: '2.1.0' },
      { unit: 'pandas', change: 'removed', from: '2.2.0' },
      { unit: 'torch', change: 'added', to: '2.5.0' },
      { unit: 'gone', change: 'removed' },
      { unit: 'lib', change: 'changed' },
      { unit: 'manager', change: 'changed' },
      { unit: 'new', change: 'added' },
    ],
  })
})

test('compares what lies beside the history with its own parent', async () => {
  for (const file of ['a', 'c', 'd', 'e']) write(file, file)
  await save('first')
  const other = join(base, 'other', 'custom_nodes')
  await restoreTree({ store: await open(), name, directory: other })
  write('b', 'b')
  await save('first')
  writeFileSync(join(other, 'a'), 'changed')
  // More than half is gone: that does not become the newest by itself.
  for (const file of ['c', 'd', 'e']) rmSync(join(other, file))
  await save('other', { directory: other })
  const infos = await listSnapshots(await open(), name, { changes: true })
  const sibling = infos.find((info) => info.sibling)
  expect(sibling?.changes).toMatchObject({ since: '00000001', added: 0, changed: 1, removed: 3 })
})

test('describes every archive by its newest snapshot and its past', async () => {
  write('a', 'a'.repeat(1000))
  await save('first')
  write('b', 'b'.repeat(1000))
  await save('second')
  await save('third', { name: 'another' })
  const [another, nodes] = await describeArchives(await open())
  expect(another).toMatchObject({ archive: 'another', snapshots: 1, siblings: 0, generation: 1 })
  expect(nodes).toMatchObject({ archive: name, snapshots: 2, generation: 2, pod: 'second' })
  expect(nodes).toMatchObject({ files: 2, bytes: 2000 })
  expect(nodes?.allStoredBytes).toBe(nodes?.storedBytes)
  expect(await describeArchives(await openStore(`file://${base}/none`, { env: {} }))).toEqual([])
})

test.each([['2'], ['00000002'], ['002']])('knows the snapshot %s by its number', async (at) => {
  write('a', 'a')
  await save('first')
  write('b', 'b')
  await save('first')
  const store = await open()
  expect(await verifyArchive({ store, name, snapshot: at })).toMatchObject({ snapshots: 1 })
  expect(await restoreTree({ store, name, directory: join(base, 'back'), at })).toMatchObject({
    snapshot: '00000002',
  })
})

test('says which snapshots there are when it is asked for another', async () => {
  write('a', 'a')
  await save('first')
  const store = await open()
  const missing = {
    code: 'archive/missing-snapshot',
    message: `there is no snapshot \`9\` of \`${name}\` in ${store.url}`,
    hint: 'name one that is there: `00000001`',
  }
  await expect(verifyArchive({ store, name, snapshot: '9' })).rejects.toMatchObject(missing)
  await expect(
    restoreTree({ store, name, directory: join(base, 'back'), at: '9' }),
  ).rejects.toMatchObject(missing)
})
