import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requirement } from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { manifestKey } from './format.ts'
import { restoreTree, saveTree } from './index.ts'
import { machineFacts } from './machine.ts'
import { decodeManifest, encodeManifest } from './manifest.ts'
import { newDirectory } from './testing.ts'
import type { VenvFingerprint } from './venv-fingerprint.ts'
import { snapshotMisfit } from './venv.ts'

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
  const restore = (at?: string) => restoreTree({ store, name, directory: target, at, onNote })
  const edit = (snapshot: string, change: Partial<VenvFingerprint>) => {
    const path = join(root, manifestKey(name, snapshot))
    const manifest = decodeManifest(readFileSync(path), path)
    const venvs = manifest.venvs.map((venv) => ({ ...venv, ...change }))
    rmSync(path)
    writeFileSync(path, encodeManifest({ ...manifest, venvs }))
  }
  return { base, notes, save, restore, edit, target }
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

test('a Python that came along in the tree is not looked for on the machine', async () => {
  const machine = await machineFacts()
  const venv = { path: 'venv', python: '3.99', soabi: 'x', ...machine, prefix: '/w/venv', home: '' }
  expect(await snapshotMisfit([venv], machine)).toBeUndefined()
  expect(await snapshotMisfit([{ ...venv, home: '/no/such' }], machine)).toBe(
    'venv: it needs Python 3.99 as /no/such/python3.99, which this machine does not have',
  )
})
