import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { readRecord, restoreTree, saveTree, verifyArchive } from '../index.ts'
import { describeTree, makeTree, newDirectory, tick } from '../testing.ts'

async function setUp() {
  const base = newDirectory()
  const directory = join(base, 'pod', 'venv')
  mkdirSync(directory, { recursive: true })
  makeTree(directory)
  const url = `file://${join(base, 'store')}`
  const store = await openStore(url, { env: {} })
  return { base, directory, store, url, name: 'test/venv' }
}

test('brings back a tree as it was', async () => {
  const { base, directory, store, name } = await setUp()
  const before = describeTree(directory)
  const saved = await saveTree({ store, name, directory })
  expect(saved).toMatchObject({
    result: 'saved',
    generation: 1,
    snapshot: '00000001',
    sibling: false,
    additive: false,
  })
  const other = join(base, 'pod2', 'venv')
  const restored = await restoreTree({ store, name, directory: other })
  expect(restored).toMatchObject({ result: 'restored', generation: 1 })
  // The empty ones too, of which no content was sent.
  expect(saved).toHaveProperty('changed', (restored as { files: number }).files)
  expect(describeTree(other)).toEqual(before)
  expect(
    execFileSync('stat', ['-c', '%b', join(other, 'sparse')])
      .toString()
      .trim(),
  ).toBe('0')
  expect(await verifyArchive({ store, name })).toMatchObject({ snapshots: 1, problems: [] })
})

test('puts nothing for an unchanged tree, on the pod that saved and on one that restored', async () => {
  const { base, directory, store, name } = await setUp()
  await saveTree({ store, name, directory })
  const objects = () =>
    execFileSync('find', [join(base, 'store'), '-type', 'f', '-printf', '%p %T@\n']).toString()
  const before = objects()
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'unchanged',
    generation: 1,
  })
  const other = join(base, 'pod2', 'venv')
  await restoreTree({ store, name, directory: other })
  expect(await saveTree({ store, name, directory: other })).toMatchObject({
    result: 'unchanged',
    generation: 1,
  })
  expect(objects()).toBe(before)
})

test('uploads only content that the parent does not hold', async () => {
  const { directory, store, name } = await setUp()
  await saveTree({ store, name, directory })
  tick()
  execFileSync('sh', ['-c', `find ${directory} -type f -exec touch -d @1700000000 {} +`])
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'saved',
    generation: 2,
    uploadedChunks: 0,
    uploadedBytes: 0,
  })
  tick()
  execFileSync('mv', [
    join(directory, 'lib/python3.11/site-packages/alpha'),
    join(directory, 'lib/moved'),
  ])
  execFileSync('cp', ['-p', join(directory, 'lib/huge.bin'), join(directory, 'lib/copy.bin')])
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'saved',
    generation: 3,
    uploadedChunks: 0,
  })
  const before = describeTree(directory)
  rmSync(join(directory, '..', '.berth'), { recursive: true })
  const added = await saveTree({ store, name, directory })
  expect(added).toMatchObject({ result: 'unchanged', generation: 3 })
  const fresh = join(newDirectory(), 'venv')
  await restoreTree({ store, name, directory: fresh })
  expect(describeTree(fresh)).toEqual(before)
})

test('gets the tree out with sh, zstd, tar, jq and coreutils after changes of every kind', async () => {
  const { base, directory, store, name } = await setUp()
  await saveTree({ store, name, directory })
  tick()
  appendFileSync(join(directory, 'bin/private'), 'more')
  writeFileSync(join(directory, 'lib/added.py'), 'added')
  rmSync(join(directory, 'lib/python3.11/site-packages/alpha/m3.py'))
  chmodSync(join(directory, 'lib/python3.11/site-packages/alpha/m4.py'), 0o640)
  utimesSync(
    join(directory, 'lib/python3.11/site-packages/alpha/m5.py'),
    1_234_567_890,
    1_234_567_890,
  )
  execFileSync('mv', [
    join(directory, 'lib/python3.11/site-packages/alpha/m6.py'),
    join(directory, 'lib/m6-moved.py'),
  ])
  execFileSync('mv', [join(directory, 'lib/[star]*?\\101'), join(directory, 'lib/\\102')])
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'saved',
    generation: 2,
  })
  const readme = execFileSync('cat', [join(base, 'store', 'README.txt')]).toString()
  const script = /```sh\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const out = join(base, 'out')
  execFileSync('sh', ['-c', script], {
    cwd: join(base, 'store'),
    env: { ...process.env, archive: name, out },
  })
  expect(describeTree(out)).toEqual(describeTree(directory))
})

test('refuses to save what a failed restore left', async () => {
  const { base, directory, store, name } = await setUp()
  await saveTree({ store, name, directory })
  const chunks = join(base, 'store', 'chunks')
  const [folder] = readdirSync(chunks)
  const [chunk] = readdirSync(join(chunks, folder ?? ''))
  rmSync(join(chunks, folder ?? '', chunk ?? ''))
  const other = join(base, 'pod2', 'venv')
  await expect(restoreTree({ store, name, directory: other })).rejects.toMatchObject({
    code: 'archive/missing-chunk',
  })
  expect(existsSync(other)).toBe(false)
  mkdirSync(other)
  writeFileSync(join(other, 'new'), 'made by the app')
  await expect(saveTree({ store, name, directory: other })).rejects.toMatchObject({
    code: 'archive/incomplete-restore',
    message: `could not save \`${other}\`: nothing was restored to it from \`${name}\`: the restore failed, or was cut`,
    hint: expect.stringContaining('cure what the restore failed with'),
  })
  expect(await readRecord(other)).toMatchObject({ complete: false })
})
