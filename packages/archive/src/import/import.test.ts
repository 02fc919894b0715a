import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { missingS3Server, startS3Server } from '@berth/object-store/testing'
import { beforeEach, expect, test } from 'vitest'
import { type ImportOptions, importArchive } from './import.ts'
import { restoreTree } from '../restore/restore.ts'
import { listArchives } from '../snapshots/snapshots.ts'
import { storedKeys } from '../snapshots/store-testing.ts'
import { describeTree, newDirectory } from '../testing.ts'

const name = 'lab/venv'
let base: string
let tree: string
let old: string

beforeEach(() => {
  base = newDirectory()
  tree = join(base, 'tree')
  old = join(base, 'old')
  for (const folder of ['lib/python3.10/site-packages/alpha', 'bin', 'include'])
    mkdirSync(join(tree, folder), { recursive: true })
  mkdirSync(old)
  for (let index = 0; index < 30; index++)
    writeFileSync(
      join(tree, `lib/python3.10/site-packages/alpha/m${index}.py`),
      `x = ${index}\n`.repeat(index),
    )
  writeFileSync(join(tree, 'lib/big.so'), Buffer.alloc(9_000_000, 'big'))
  writeFileSync(join(tree, 'pyvenv.cfg'), 'home = /usr/bin\n')
  writeFileSync(join(tree, 'bin/tool'), '#!/bin/sh\n', { mode: 0o755 })
  linkSync(join(tree, 'bin/tool'), join(tree, 'bin/tool2'))
  symlinkSync('/usr/bin/python3', join(tree, 'bin/python3'))
  symlinkSync('lib', join(tree, 'lib64'))
})

const open = () => openStore(`file://${base}/store`, { env: {} })

async function bring(more: Partial<ImportOptions> = {}) {
  const source = await openStore(`file://${old}`, { env: {} })
  return importArchive({
    store: await open(),
    name,
    source,
    staging: join(base, 'staging'),
    ...more,
  })
}

async function restored(): Promise<string[]> {
  const directory = join(base, 'back', 'venv')
  await restoreTree({ store: await open(), name, directory })
  return describeTree(directory)
}

/** Without fractions of a second, which an old tar does not hold. */
function inSeconds(lines: string[]): string[] {
  return lines.map((line) => line.replaceAll(/(\d{10})\d{6}\b/g, '$1'))
}

const sh = (command: string) => execFileSync('sh', ['-ec', command], { cwd: tree })

test.each([
  ['venv.tar', 'tar -cf ../old/venv.tar .'],
  ['venv.tar.gz', 'tar -czf ../old/venv.tar.gz .'],
  ['venv.tgz', 'tar -c . | (head -c 100000 | gzip; gzip) > ../old/venv.tgz'],
  ['venv.tar.zst', 'tar -c . | zstd -q > ../old/venv.tar.zst'],
  ['several.tar.zst', 'tar -c . | (head -c 100000 | zstd -q; zstd -q) > ../old/several.tar.zst'],
])('takes over %s', async (_, command) => {
  sh(command)
  const before = storedKeys(old)
  expect(await bring()).toMatchObject({
    result: 'imported',
    snapshot: '00000001',
    files: 34,
    links: 2,
  })
  expect(inSeconds(await restored())).toEqual(inSeconds(describeTree(tree)))
  expect(storedKeys(old)).toEqual(before)
  expect(readdirSync(join(base, 'staging'))).toEqual([])
})

/** As the chunk manager of old wrote it: regular files of lib in numbered tars, all else in a zip, a list of sums. */
function chunk(directory = old): void {
  mkdirSync(directory, { recursive: true })
  sh(`find lib -type f | sort > ../all; split -n l/11 -d ../all ../part-
      number=1
      for part in ../part-*; do tar -czf ${directory}/venv_chunk_$number.tar.gz -T $part; number=$((number + 1)); done
      rm ../part-*
      (echo pyvenv.cfg; echo bin/tool; echo bin/tool2; echo include) | zip -q -r ${directory}/venv_other_folders.zip -@`)
}

function list(directory = old): void {
  const lines = readdirSync(directory)
    .filter((file) => !file.endsWith('.checksums'))
    .map(
      (file) =>
        `${createHash('sha256')
          .update(readFileSync(join(directory, file)))
          .digest('hex')} ${file}`,
    )
  writeFileSync(join(directory, 'venv_chunks.checksums'), `${lines.join('\n')}\n`)
}

const files = (lines: string[]) =>
  inSeconds(lines.filter((line) => line.includes(' file '))).map((line) =>
    line.replace(/ = .*/, ''),
  )

test.each([true, false])(
  'takes over a venv in chunks, with a list of sums: %s',
  async (hasList) => {
    chunk()
    if (hasList) list()
    expect(await bring()).toMatchObject({ result: 'imported', parts: 12, files: 34 })
    expect(files(await restored())).toEqual(files(describeTree(tree)))
  },
)

test('leaves out chunks of an older state, which the list does not name', async () => {
  chunk()
  list()
  writeFileSync(join(tree, 'stale'), 'stale')
  sh('tar -czf ../old/venv_chunk_12.tar.gz stale')
  const notes: string[] = []
  await bring({ onNote: (_, text) => notes.push(text) })
  expect(notes.join()).toContain('left out venv_chunk_12.tar.gz')
  expect((await restored()).join()).not.toContain('stale')
})

test('takes over several venvs, each in its folder', async () => {
  chunk(join(old, 'comfyui'))
  chunk(join(old, 'other'))
  list(join(old, 'other'))
  expect(await bring()).toMatchObject({ parts: 24, files: 68 })
  expect(readdirSync(join(base, 'back').replace('back', 'tree'))).toContain('bin')
  const paths = (await restored()).map((line) => line.split(' ')[0])
  expect(paths).toEqual(expect.arrayContaining(['./comfyui/pyvenv.cfg', './other/pyvenv.cfg']))
})

test.each([
  [
    'a chunk that the list names is missing',
    () => rmSync(join(old, 'venv_chunk_3.tar.gz')),
    'incomplete',
  ],
  [
    'a chunk is not what the list says',
    () => writeFileSync(join(old, 'venv_chunk_3.tar.gz'), 'x'),
    'corrupt',
  ],
  [
    'a chunk is missing and there is no list',
    () => {
      rmSync(join(old, 'venv_chunks.checksums'))
      rmSync(join(old, 'venv_chunk_3.tar.gz'))
    },
    'incomplete',
  ],
  [
    'a chunk is cut and there is no list',
    () => {
      rmSync(join(old, 'venv_chunks.checksums'))
      const path = join(old, 'venv_chunk_1.tar.gz')
      writeFileSync(path, readFileSync(path).subarray(0, 3000))
    },
    'corrupt',
  ],
  [
    'the zip is damaged and there is no list',
    () => {
      rmSync(join(old, 'venv_chunks.checksums'))
      const path = join(old, 'venv_other_folders.zip')
      const bytes = readFileSync(path)
      bytes.fill(255, 0, bytes.length / 2)
      writeFileSync(path, bytes)
    },
    'corrupt',
  ],
])('saves nothing when %s', async (_, damage, code) => {
  chunk()
  list()
  damage()
  await expect(bring()).rejects.toMatchObject({ code: `archive/${code}-source` })
  expect(await listArchives(await open())).toEqual([])
})

test.each([
  ['a cut tar.zst', 'tar -c . | zstd -q | head -c 1000 > ../old/venv.tar.zst'],
  ['a tar cut within a member', 'tar -c . | head -c 100000 > ../old/venv.tar'],
])('saves nothing of %s', async (_, command) => {
  sh(command)
  await expect(bring()).rejects.toMatchObject({ code: 'archive/corrupt-source' })
  expect(await listArchives(await open())).toEqual([])
})

test.each([
  ['an absolute path', 'tar -cPf ../old/x.tar "$PWD/pyvenv.cfg"'],
  ['a path that leaves the tree', 'cd lib; tar -cPf ../../old/x.tar ../pyvenv.cfg'],
  ['a link that leads out', 'ln -s ../../etc out; tar -cf ../old/x.tar out'],
  ['an absolute link', 'ln -s /etc out; tar -cf ../old/x.tar out'],
  [
    'a member below a link',
    'mkdir a; echo x > a/f; ln -s a l; tar -cf ../old/x.tar --transform "s,^a,l," l a/f',
  ],
  [
    'a hard link to a file outside',
    'tar -cf ../old/x.tar bin/tool bin/tool2; tar --delete -f ../old/x.tar bin/tool',
  ],
])('refuses %s', async (_, command) => {
  sh(command)
  await expect(bring()).rejects.toMatchObject({ code: 'archive/unsafe-member' })
  expect(await listArchives(await open())).toEqual([])
  expect(readdirSync(join(base, 'staging'))).toEqual([])
})

test('keeps links that lead out where that is wanted, and strips a leading folder', async () => {
  sh('ln -s /etc out; cd ..; tar -czf old/x.tar.gz tree')
  expect(await bring({ keepLinks: true, strip: 1 })).toMatchObject({ links: 3 })
  expect(inSeconds(await restored())).toEqual(inSeconds(describeTree(tree)))
})

test('is for new archives only, and for what it knows', async () => {
  writeFileSync(join(old, 'notes.txt'), 'notes')
  await expect(bring()).rejects.toMatchObject({ code: 'archive/nothing-to-import' })
  sh('tar -czf ../old/x.tar.gz .')
  await bring({ key: 'x.tar.gz' })
  await expect(bring({ key: 'x.tar.gz' })).rejects.toMatchObject({ code: 'archive/existing' })
})

test('reads from a bucket', async ({ skip }) => {
  const missing = missingS3Server()
  if (missing !== undefined) return skip(missing)
  const server = await startS3Server()
  try {
    chunk()
    const source = await openStore(`${server.url}`, { env: server.env })
    for (const file of readdirSync(old)) await source.put(file, readFileSync(join(old, file)))
    expect(await bring({ source })).toMatchObject({ parts: 12, files: 34 })
    await source.close()
  } finally {
    await server.close()
  }
})

test('counts what is left away with the components in front, and refuses when that is all', async () => {
  sh('tar -cf ../old/venv.tar .')
  const notes: string[] = []
  expect(
    await bring({ strip: 1, keepLinks: true, onNote: (_, text) => notes.push(text) }),
  ).toMatchObject({
    files: 33,
    strippedFiles: 2,
  })
  expect(notes.join()).toContain('left out 2 of 36 files and links')
  await expect(bring({ name: 'lab/other', strip: 9, keepLinks: true })).rejects.toMatchObject({
    code: 'archive/nothing-to-import',
    message: expect.stringContaining('`--strip 9` leaves nothing of its 36 paths') as string,
  })
  expect(await listArchives(await open())).toEqual([name])
})

test('names the file that is no archive, not the directory that it lies in', async () => {
  writeFileSync(join(old, 'run.sh'), '#!/bin/sh\n')
  await expect(bring({ key: 'run.sh' })).rejects.toMatchObject({
    code: 'archive/nothing-to-import',
    message: `there is no old archive at file://${old}/run.sh`,
  })
})
