import {
  chmodSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { manifestKey } from '../format/format.ts'
import { readRecord, restoreTree, saveTree } from '../index.ts'
import { machineFacts } from './machine.ts'
import { decodeManifest, encodeManifest } from '../format/manifest.ts'
import { findMovedVenvs } from './moved-venvs.ts'
import { relocateStaged } from './relocate.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'
import type { VenvFingerprint } from './venv-fingerprint.ts'

const name = 'pods/tree'
const packages = 'venv/lib/python3.11/site-packages'

/** A tree in the store with a venv and the Python that this one was made with, as if it had been saved from a place of our choice. */
async function setUp(place: string, change: Partial<VenvFingerprint> = {}) {
  const base = newDirectory()
  const source = join(base, 'source')
  fill(source, place)
  const store = await openStore(`file://${base}/store`, { env: {} })
  await saveTree({ store, name, directory: source })
  const path = join(base, 'store', manifestKey(name, '00000001'))
  const manifest = decodeManifest(readFileSync(path), path)
  const venv: VenvFingerprint = {
    path: 'venv',
    python: '3.11',
    soabi: 'cpython-311',
    ...(await machineFacts()),
    prefix: `${place}/venv`,
    home: '',
    ...change,
  }
  const moved = { ...manifest, venvs: [venv] }
  rmSync(path)
  writeFileSync(path, encodeManifest(moved))
  return { base, source, store, manifest: moved }
}

function fill(root: string, place: string): void {
  const files: Record<string, string> = {
    'python/bin/python3.11': 'ELF',
    'venv/pyvenv.cfg': `home = ${place}/python/bin\ncommand = python -m venv ${place}/venv\n`,
    'venv/bin/tool': `#!${place}/venv/bin/python\nprint(1)\n`,
    'venv/bin/activate': `VIRTUAL_ENV="${place}/venv"\n`,
    'venv/bin/program': `ELF\0${place}/venv\n`,
    'venv/bin/other': '#!/usr/bin/env python\n',
    [`${packages}/dev.pth`]: `${place}/source\n`,
    [`${packages}/module.py`]: `path = "${place}/venv"\n`,
    [`${packages}/__editable___dev_finder.py`]: `MAPPING = {'dev': '${place}/source'}\n`,
    [`${packages}/tool-1.dist-info/direct_url.json`]: `{"url": "file://${place}/source"}`,
    [`${packages}/old.egg-link`]: `${place}/source\n.`,
    'venv/share/jupyter/kernels/x/kernel.json': `{"argv": ["${place}/venv/bin/python"]}`,
    'notes.txt': `kept in ${place}/venv\n`,
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
    utimesSync(join(root, path), 1_600_000_000, 1_600_000_000.25)
  }
  chmodSync(join(root, 'venv/bin/tool'), 0o4555)
  linkSync(join(root, 'venv/bin/tool'), join(root, 'venv/bin/tool-3'))
  symlinkSync(`${place}/python/bin/python3.11`, join(root, 'venv/bin/python'))
  symlinkSync(`${place}/gone`, join(root, 'venv/bin/gone'))
  symlinkSync('/usr/bin/env', join(root, 'venv/bin/env'))
}

const REWRITTEN = [
  'venv/bin/activate',
  'venv/bin/python',
  'venv/bin/tool',
  `${packages}/__editable___dev_finder.py`,
  `${packages}/dev.pth`,
  `${packages}/old.egg-link`,
  `${packages}/tool-1.dist-info/direct_url.json`,
  'venv/pyvenv.cfg',
  'venv/share/jupyter/kernels/x/kernel.json',
].toSorted()

test('rewrites what names the old place and nothing else, with the same modes, owners, times and hard links', async () => {
  const { base, store } = await setUp('/old/place')
  const directory = join(base, 'new')
  await restoreTree({ store, name, directory })
  const { files = [], links = [] } = (await readRecord(directory))?.rewritten ?? {}
  expect([...files, ...links].map(({ path }) => path).toSorted()).toEqual(REWRITTEN)
  const wanted = join(base, 'wanted')
  fill(wanted, directory)
  const comparable = (root: string) =>
    describeTree(root).filter((line) => !/ directory |notes|module|program|gone| link /.test(line))
  expect(comparable(directory)).toEqual(comparable(wanted))
  expect(readFileSync(join(directory, 'notes.txt'), 'utf8')).toBe('kept in /old/place/venv\n')
  expect(readlinkSync(join(directory, 'venv/bin/python'))).toBe(
    `${directory}/python/bin/python3.11`,
  )
  expect(readlinkSync(join(directory, 'venv/bin/gone'))).toBe('/old/place/gone')
  expect(statSync(join(directory, 'venv/bin/tool-3')).nlink).toBe(2)
})

test('a save takes nothing of it for a change, and a real change for what it is', async () => {
  const { base, store } = await setUp('/old/place')
  const directory = join(base, 'new')
  await restoreTree({ store, name, directory })
  const save = () => saveTree({ store, name, directory })
  expect(await save()).toMatchObject({ result: 'unchanged' })
  tick()
  // As `chown -R` would: the ctime alone is new.
  chmodSync(join(directory, 'venv/bin/activate'), 0o644)
  expect(await save()).toMatchObject({ result: 'unchanged' })
  const pth = join(directory, packages, 'dev.pth')
  const { mtimeMs } = statSync(pth)
  writeFileSync(pth, readFileSync(pth, 'utf8').toUpperCase())
  utimesSync(pth, mtimeMs / 1000, mtimeMs / 1000)
  rmSync(join(directory, 'venv/bin/python'))
  symlinkSync('/usr/bin/python3', join(directory, 'venv/bin/python'))
  expect(await save()).toMatchObject({ result: 'saved', changed: 1 })
  expect(await save()).toMatchObject({ result: 'unchanged' })
  const back = join(base, 'back')
  await restoreTree({ store, name, directory: back })
  expect(readFileSync(join(back, packages, 'dev.pth'), 'utf8')).toBe(
    `${directory}/source\n`.toUpperCase(),
  )
  expect(readlinkSync(join(back, 'venv/bin/python'))).toBe('/usr/bin/python3')
})

test.each(['/w/tree', '/w/tree/tree', '/w'])(
  'after a cut at any file, the same is written again: from /w/tree to %s',
  async (to) => {
    const { base, source, manifest } = await setUp('/w/tree')
    const destination = { named: to, real: to }
    const options = { onNote: () => {} }
    const stage = (title: string) => {
      const directory = join(base, title)
      const tree = join(directory, 'tree')
      cpSync(source, tree, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      const staging = {
        directory,
        tree,
        continued: false,
        finished: new Set<number>(),
        finish: () => {},
        [Symbol.dispose]: () => {},
      }
      return {
        tree,
        run: async () =>
          relocateStaged(
            { options, manifest, staging, destination },
            await findMovedVenvs({ manifest, destination }),
          ),
      }
    }
    const whole = stage('whole')
    const rewritten = await whole.run()
    const read = (root: string) => rewritten.files.map(({ path }) => readFileSync(join(root, path)))
    for (const [index, { path }] of rewritten.files.entries()) {
      const cut = stage(`cut-${index}`)
      await cut.run()
      truncateSync(join(cut.tree, path), 3)
      expect(await cut.run()).toEqual(rewritten)
      expect(read(cut.tree)).toEqual(read(whole.tree))
      expect(lstatSync(join(cut.tree, path)).mtimeMs).toBe(1_600_000_000_250)
    }
    expect(rewritten.files.length).toBe(to === '/w/tree' ? 0 : REWRITTEN.length - 1)
  },
)

test('a place that scripts could not quote is left alone, with a warning', async () => {
  const { base, store } = await setUp('/old/place')
  const directory = join(base, "it's new")
  const notes: string[] = []
  const onNote = (level: string, text: string) => void notes.push(`${level}: ${text}`)
  expect(await restoreTree({ store, name, directory, onNote })).toMatchObject({ rewritten: 0 })
  expect(notes).toEqual([
    `warn: the scripts in ${directory}/venv still name /old/place/venv: its name holds what scripts could not quote`,
  ])
})

test('a place behind a link is the same place', async () => {
  const base = newDirectory()
  mkdirSync(join(base, 'volume'))
  symlinkSync(join(base, 'volume'), join(base, 'workspace'))
  const { store } = await setUp(join(base, 'workspace/tree'), {
    prefixes: [join(base, 'workspace/tree/venv'), join(base, 'volume/tree/venv')],
  })
  for (const directory of [join(base, 'volume/tree'), join(base, 'workspace/tree')]) {
    expect(await restoreTree({ store, name, directory })).toMatchObject({ rewritten: 0 })
    rmSync(directory, { recursive: true })
  }
})

test('what `activate` believes counts only where the venv was not saved from', async () => {
  const base = newDirectory()
  const here = join(base, 'here')
  const { store } = await setUp('/once', { prefix: `${here}/venv`, named: '/once/venv' })
  expect(await restoreTree({ store, name, directory: here })).toMatchObject({ rewritten: 0 })
  expect(await restoreTree({ store, name, directory: join(base, 'there') })).toMatchObject({
    rewritten: REWRITTEN.length,
  })
})
