import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { manifestKey } from '../format/format.ts'
import { type RestoreOptions, restoreTree, saveTree } from '../index.ts'
import { machineFacts } from '../venv/machine.ts'
import { decodeManifest, encodeManifest } from '../format/manifest.ts'
import { newDirectory } from '../testing.ts'
import type { VenvFingerprint } from '../venv/venv-fingerprint.ts'
import { snapshotMisfit } from '../venv/venv.ts'

const name = 'pods/venv'
const facts = readPython()
const python = requirement('python', facts !== undefined || 'python3 has no venv')
const version = facts?.version ?? ''

function readPython(): { version: string; executable: string } | undefined {
  try {
    const question =
      'import sys,venv;print("%d.%d" % sys.version_info[:2]);print(sys._base_executable)'
    const said = execFileSync('python3', ['-c', question], { encoding: 'utf8' })
    const [first = '', executable = ''] = said.trim().split('\n')
    return { version: first, executable }
  } catch {
    return undefined
  }
}

/** A Python of its own, as far as a venv can tell. */
function makeHome(home: string): string {
  mkdirSync(home, { recursive: true })
  const at = join(home, `python${version}`)
  symlinkSync(facts?.executable ?? '', at)
  return at
}

async function setUp() {
  const base = newDirectory()
  const root = join(base, 'store')
  const store = await openStore(`file://${root}`, { env: {} })
  const notes: string[] = []
  const onNote = (_: string, text: string) => void notes.push(text)
  const save = (interpreter: string) => {
    const directory = join(base, 'pod', 'venv')
    execFileSync(interpreter, ['-m', 'venv', '--clear', '--without-pip', directory])
    writeFileSync(join(directory, 'made-with'), interpreter)
    return saveTree({ store, name, directory })
  }
  const target = join(base, 'other', 'venv')
  const restore = (at?: string, more: Partial<RestoreOptions> = {}) =>
    restoreTree({ store, name, directory: target, at, onNote, ...more })
  const state = join(base, 'other', '.berth', 'trees', 'venv')
  const stagings = () => readdirSync(state).filter((entry) => /^(staging|discarded)-/.test(entry))
  const edit = (snapshot: string, change: Partial<VenvFingerprint>) => {
    const path = join(root, manifestKey(name, snapshot))
    const manifest = decodeManifest(readFileSync(path), path)
    const venvs = manifest.venvs.map((venv) => ({ ...venv, ...change }))
    rmSync(path)
    writeFileSync(path, encodeManifest({ ...manifest, venvs }))
  }
  const replace = (interpreter: string, script: string) => {
    rmSync(interpreter)
    writeFileSync(interpreter, `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  const hasObject = `grep -qs '^[0-9]' '${state}'/staging-*/journal`
  /** The start of a script: goes on when the fill of a staging has written a whole object. */
  const afterObject = `for i in $(seq 100); do ${hasObject} && break; sleep 0.1; done; ${hasObject} && touch '${base}/begun'`
  const hasBegun = () => existsSync(join(base, 'begun'))
  const loseChunks = () => rmSync(join(root, 'chunks'), { recursive: true })
  const trial = { replace, afterObject, hasBegun, stagings, loseChunks }
  return { base, notes, save, restore, edit, target, ...trial }
}

python(
  'restores the newest snapshot whose Python this machine has, and says why not a newer',
  async () => {
    const { base, notes, save, restore, target } = await setUp()
    const gone = makeHome(join(base, 'python', 'bin'))
    await save('python3')
    await save(gone)
    renameSync(join(base, 'python'), join(base, 'away'))
    const reason = `it needs Python ${version} as ${gone}, which this machine does not have`
    expect(await restore()).toMatchObject({
      result: 'restored',
      generation: 1,
      passedOver: [{ snapshot: '00000002', reason }],
    })
    expect(readFileSync(join(target, 'made-with'), 'utf8')).toBe('python3')
    expect(notes[0]).toBe(`passed over \`${name}\` 00000002: ${reason}`)
  },
)

python(
  'names the cure where no snapshot fits, and restores what is asked for by name',
  async () => {
    const { base, save, restore } = await setUp()
    const home = join(base, 'uv', 'python', `cpython-${version}`, 'bin')
    await save(makeHome(home))
    rmSync(join(base, 'uv'), { recursive: true })
    await expect(restore()).rejects.toMatchObject({
      code: 'archive/no-fitting-snapshot',
      message: expect.stringContaining(`it needs Python ${version} as ${home}/python${version}`),
      hint: expect.stringContaining(`run \`uv python install ${version}\` before the restore`),
    })
    expect(await restore('1')).toMatchObject({ result: 'restored', generation: 1 })
  },
)

for (const [title, change, reason] of [
  ['another architecture', { architecture: 'riscv64' }, 'it was saved on riscv64'],
  ['a later C library', { glibc: '99.1' }, 'it needs glibc 99.1, this machine has 2.'],
  ['another build of Python', { soabi: 'cpython-399d' }, 'the venv for cpython-399d'],
] as const) {
  python(`passes over what was saved for ${title}`, async () => {
    const { save, restore, edit, base } = await setUp()
    await save('python3')
    writeFileSync(join(base, 'pod', 'venv', 'more'), '')
    await save('python3')
    edit('00000002', change)
    expect(await restore()).toMatchObject({
      generation: 1,
      passedOver: [{ snapshot: '00000002', reason: expect.stringContaining(reason) }],
    })
  })
}

python('removes what it had begun of a snapshot that turns out not to fit', async () => {
  const { base, notes, save, restore, target, stagings, replace, afterObject, hasBegun } =
    await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save('python3')
  await save(home)
  replace(home, `${afterObject}; echo broken >&2; exit 1`)
  const reason = `${home} does not work: the interpreter did not start: broken`
  expect(await restore()).toMatchObject({
    result: 'restored',
    generation: 1,
    passedOver: [{ snapshot: '00000002', reason }],
  })
  expect(hasBegun()).toBe(true)
  expect(notes).toEqual([
    `passed over \`${name}\` 00000002: ${reason}`,
    expect.stringMatching(/^moved from /),
  ])
  expect(readFileSync(join(target, 'made-with'), 'utf8')).toBe('python3')
  expect(stagings()).toEqual([])
})

python('leaves nothing of what it had begun where no snapshot fits', async () => {
  const { base, save, restore, target, stagings, replace, afterObject, hasBegun } = await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save(home)
  replace(home, `${afterObject}; exit 1`)
  await expect(restore()).rejects.toMatchObject({ code: 'archive/no-fitting-snapshot' })
  expect(hasBegun()).toBe(true)
  expect(stagings()).toEqual([])
  expect(existsSync(target)).toBe(false)
})

python('puts a snapshot in place only after its Python has answered', async () => {
  const { base, save, restore, target, stagings, replace, afterObject, hasBegun } = await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save(home)
  const look = `sleep 1; [ -e '${target}' ] || touch '${base}/absent'`
  replace(home, `${afterObject}; ${look}; exec '${facts?.executable}' "$@"`)
  expect(await restore()).toMatchObject({ result: 'restored', generation: 1, passedOver: [] })
  expect(hasBegun()).toBe(true)
  expect(existsSync(join(base, 'absent'))).toBe(true)
  expect(readFileSync(join(target, 'made-with'), 'utf8')).toBe(home)
  expect(stagings()).toEqual([])
})

python('says that a chunk is missing only of a snapshot that fits', async () => {
  const { base, save, restore, replace, loseChunks } = await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save(home)
  loseChunks()
  replace(home, 'sleep 1; exit 1')
  await expect(restore()).rejects.toMatchObject({ code: 'archive/no-fitting-snapshot' })
  replace(home, `sleep 1; exec '${facts?.executable}' "$@"`)
  await expect(restore()).rejects.toMatchObject({ code: 'archive/missing-chunk' })
})

python('continues what was cut before its Python had answered', async () => {
  const { base, save, restore, target, replace, afterObject, hasBegun, loseChunks } = await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save(home)
  replace(home, `${afterObject}; sleep 2; exec '${facts?.executable}' "$@"`)
  const controller = new AbortController()
  const cut = restore(undefined, { signal: controller.signal }).catch((error: Error) => error)
  while (!hasBegun()) await setTimeout(2)
  controller.abort(new Error('stop'))
  expect(await cut).toMatchObject({ message: 'stop' })
  loseChunks()
  expect(await restore()).toMatchObject({ result: 'restored', generation: 1 })
  expect(readFileSync(join(target, 'made-with'), 'utf8')).toBe(home)
})

python('begins nothing on trial where a cut restore could be continued', async () => {
  const { base, save, restore, target, stagings, replace, loseChunks } = await setUp()
  const home = makeHome(join(base, 'python', 'bin'))
  await save('python3')
  await save(home)
  const controller = new AbortController()
  const { signal } = controller
  const onProgress = ({ done, total }: { done: number; total: number }) => {
    if (done === total) controller.abort(new Error('stop'))
  }
  await expect(restore('1', { signal, onProgress })).rejects.toThrow('stop')
  expect(stagings()).toHaveLength(1)
  loseChunks()
  replace(home, 'exit 1')
  expect(await restore()).toMatchObject({ result: 'restored', generation: 1 })
  expect(readFileSync(join(target, 'made-with'), 'utf8')).toBe('python3')
})

test('a Python that came along in the tree is not looked for on the machine', async () => {
  const machine = await machineFacts()
  const venv = { path: 'venv', python: '3.99', soabi: 'x', ...machine, prefix: '/w/venv', home: '' }
  expect(await snapshotMisfit([venv], machine)).toBeUndefined()
  expect(await snapshotMisfit([{ ...venv, home: '/no/such' }], machine)).toBe(
    'venv: it needs Python 3.99 as /no/such/python3.99, which this machine does not have',
  )
})
