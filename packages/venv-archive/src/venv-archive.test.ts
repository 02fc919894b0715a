import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readRecord, saveTree } from '@berth/archive'
import type { StepDefinition } from '@berth/core'
import {
  hasVenv,
  planStep,
  requirement,
  runStep,
  temporaryDirectory,
  testPlugin,
  type StepOverrides,
  type TestInputs,
} from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { venvArchive } from './index.ts'

const steps = venvArchive.steps as Record<'restore' | 'save' | 'verify' | 'prune', StepDefinition>
const python = requirement('python', hasVenv())

/** Made once: a tree, and a store that holds it. */
const template = mkdtempSync(join(tmpdir(), 'berth-venv-'))

beforeAll(async () => {
  const tree = join(template, 'tree')
  if (hasVenv() === true) execFileSync('python3', ['-m', 'venv', '--without-pip', tree])
  write(join(tree, 'file'), 'one')
  const store = await openStore(`file://${template}/store`, { env: {} })
  await saveTree({ store, name: 'comfyui/venv', directory: tree })
  await store.close()
})

afterAll(() => rmSync(template, { recursive: true }))

let root: string
let directory: string
let store: string

beforeEach(async () => {
  root = await temporaryDirectory()
  directory = join(root, 'venv')
  store = `file://${root}/store`
})

async function run(
  step: keyof typeof steps,
  ...[inputs = {}, overrides = {}]: [inputs?: TestInputs, overrides?: StepOverrides]
) {
  const { outcome, events } = await runStep(steps[step], withDefaults(inputs), overrides)
  const logs = events.flatMap((event) =>
    event.type === 'step:log' ? [`${event.level}: ${event.text}`] : [],
  )
  return { ...outcome, logs }
}

function withDefaults(inputs: TestInputs): TestInputs {
  return { directory, store, archive: 'comfyui/venv', ...inputs }
}

function useStore(place = root): void {
  cpSync(join(template, 'store'), join(place, 'store'), { recursive: true })
}

function useTree(place = directory): void {
  cpSync(join(template, 'tree'), place, { recursive: true, verbatimSymlinks: true })
}

function write(path: string, text = 'text'): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

function breakVenv(path: string): void {
  rmSync(join(path, 'bin', 'python3'))
  symlinkSync('/no/such/python3', join(path, 'bin', 'python3'))
}

const secrets = { AWS_SECRET_ACCESS_KEY: 'secret-of-the-store' }
const badInputs = {
  'an empty place': { directory: '' },
  'an empty archive': { archive: '' },
  'a store URL with a typo': { store: 's4://bucket' },
  'an unknown input': { unknown: 1 },
}

if (hasVenv() === true) {
  testPlugin(venvArchive, {
    restore: {
      prepare: (place) => {
        useStore(place)
        return { inputs: worldInputs(place), secrets }
      },
      bad: {
        ...badInputs,
        'a directory of the system': { directory: '/usr' },
        'a number for `at`': { at: 1 },
        'a word that `existing` does not know': { existing: 'delete' },
      },
    },
    save: {
      prepare: (place) => {
        useTree(join(place, 'venv'))
        return { inputs: worldInputs(place), secrets }
      },
      isStaging: (path) => /(^|\/)\.berth\/|^store\//.test(path),
      bad: { ...badInputs, 'a directory of the system': { directory: '/usr' } },
    },
    verify: {
      prepare: (place) => {
        useStore(place)
        useTree(join(place, 'venv'))
        return { inputs: worldInputs(place), secrets }
      },
      first: 'unchanged',
      bad: { ...badInputs, 'a directory without a venv': { directory: 'nothing' } },
    },
    prune: {
      prepare: (place) => {
        useStore(place)
        return { inputs: { store: `file://${place}/store` }, secrets }
      },
      first: 'unchanged',
      isStaging: (path) => path.startsWith('store/prune/'),
      bad: {
        'no store': { store: '' },
        'a store URL with a typo': { store: 's4://bucket' },
        'an unknown input': { unknown: 1 },
        'a grace of less than an hour': { grace: '59m' },
        'an age without a unit': { siblings: '30' },
        'half a snapshot': { 'keep-last': 1.5 },
      },
    },
  })
} else {
  python('its steps keep the contract', () => {})
}

function worldInputs(place: string): TestInputs {
  return {
    directory: join(place, 'venv'),
    store: `file://${place}/store`,
    archive: 'comfyui/venv',
  }
}

test('restores a tree, keeps it the second time, and keeps what was changed', async () => {
  useStore()
  const first = await run('restore')
  expect(first).toMatchObject({ result: 'done', facts: { generation: 1 } })
  write(join(directory, 'file'), 'mine')
  expect(await run('restore')).toMatchObject({ result: 'unchanged', facts: { generation: 1 } })
  expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('mine')
})

test('a store without the archive is skipped, or an error where it is required', async () => {
  expect(await run('restore')).toMatchObject({ result: 'skipped', facts: { generation: 0 } })
  const { error } = await run('restore', { required: true })
  expect(error?.code).toBe('venv-archive/absent')
  expect(existsSync(directory)).toBe(false)
})

test('an earlier generation is restored where `at` asks for it', async () => {
  useStore()
  await run('restore')
  write(join(directory, 'file'), 'two')
  await run('save')
  const other = join(root, 'other')
  expect(await run('restore', { directory: other, at: '1' })).toMatchObject({
    facts: { generation: 1 },
  })
  expect(readFileSync(join(other, 'file'), 'utf8')).toBe('one')
  expect((await run('restore', { directory: join(root, 'third'), at: '7' })).error?.code).toBe(
    'archive/missing-snapshot',
  )
})

test('a user’s own directory is set aside, kept or refused, and never deleted', async () => {
  useStore()
  write(join(directory, 'file'), 'mine')
  expect((await run('restore', { existing: 'fail' })).error?.code).toBe('archive/existing')
  expect(await run('restore', { existing: 'keep' })).toMatchObject({ result: 'unchanged' })
  expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('mine')
  const { logs } = await run('restore')
  const aside = readdirSync(root).find((name) => name.includes('.berth-aside-')) ?? ''
  expect(readFileSync(join(root, aside, 'file'), 'utf8')).toBe('mine')
  expect(logs.join('\n')).toContain(`warn: what was there is now at ${root}/${aside}`)
})

python(
  'a venv that was saved elsewhere names its new place, and says how much that took',
  async () => {
    useStore()
    const { facts, logs } = await run('restore')
    expect(facts?.['rewritten']).toBeGreaterThan(1)
    expect(logs).toContain(
      `info: moved from ${template}/tree to ${directory}: ${facts?.['rewritten']} files rewritten`,
    )
    expect(readFileSync(join(directory, 'bin/activate'), 'utf8')).toContain(directory)
    expect(await run('save')).toMatchObject({ result: 'unchanged' })
  },
)

test('a link is never replaced: it stays, or is an error where it leads nowhere', async () => {
  useStore()
  mkdirSync(join(root, 'elsewhere'))
  symlinkSync(join(root, 'elsewhere'), directory)
  expect(await run('restore')).toMatchObject({ result: 'unchanged' })
  rmSync(join(root, 'elsewhere'), { recursive: true })
  expect((await run('restore')).error?.code).toBe('venv-archive/broken-link')
  expect(readlinkSync(directory)).toBe(join(root, 'elsewhere'))
})

test('saves only what changed, and skips a directory that is not there', async () => {
  expect(await run('save')).toMatchObject({ result: 'skipped' })
  useTree()
  expect(await run('save')).toMatchObject({ result: 'done', facts: { generation: 1 } })
  expect(await run('save')).toMatchObject({ result: 'unchanged', facts: { files: 0, bytes: 0 } })
  write(join(directory, 'file'), 'two')
  expect(await run('save')).toMatchObject({
    result: 'done',
    facts: { generation: 2, files: 1 },
  })
})

test('a round while main runs compacts the archive, and nothing else does', async () => {
  const writeSome = (count: number) => {
    for (let index = 0; index < count; index++)
      writeFileSync(join(directory, `f${index}`), randomBytes(1024 * 1024))
  }
  mkdirSync(directory)
  writeSome(6)
  await run('save')
  writeSome(4)
  expect(await run('save')).toMatchObject({ facts: { generation: 2 } })
  const deadline = Date.now() + 60_000
  const round = { pipeline: 'shutdown', periodic: true } as const
  for (const [inputs, overrides] of [
    [{}, { pipeline: 'shutdown' }],
    [{}, { ...round, deadline }],
    [{ compact: false }, round],
  ] as const)
    expect(await run('save', inputs, overrides)).toMatchObject({ result: 'unchanged' })
  const compacted = await run('save', {}, round)
  expect(compacted).toMatchObject({
    result: 'done',
    facts: { generation: 3, files: 0, compacted: { chunksBefore: 2, chunksAfter: 2 } },
  })
  expect(compacted.logs).toContainEqual(expect.stringMatching(/^info: compacted `comfyui\/venv`/))
  expect(await run('save', {}, round)).toMatchObject({ result: 'unchanged' })
})

test('after a boot that was cut, a tree that it did not reach never becomes the newest generation', async () => {
  useStore()
  useTree()
  write(join(directory, 'file'), 'of the image')
  expect(await run('save', {}, { wasUsed: false })).toMatchObject({
    result: 'skipped',
    reason: 'the boot ended before it was put in place, and comfyui/venv may hold newer files',
  })
  rmSync(directory, { recursive: true })
  await run('restore')
  write(join(directory, 'file'), 'of a user')
  expect(await run('save', {}, { wasUsed: false })).toMatchObject({ facts: { generation: 2 } })
})

test('a save after a failed restore is refused, and the archive stays as it was', async () => {
  useStore()
  const chunks = join(root, 'store', 'chunks')
  const [chunk = ''] = readdirSync(chunks, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.zst'),
  )
  const bytes = readFileSync(join(chunks, chunk))
  rmSync(join(chunks, chunk))
  expect((await run('restore')).error?.code).toBe('archive/missing-chunk')
  write(join(directory, 'file'), 'a fresh start')
  expect((await run('save')).error?.code).toBe('archive/incomplete-restore')
  rmSync(directory, { recursive: true })
  writeFileSync(join(chunks, chunk), bytes)
  expect(await run('restore')).toMatchObject({ result: 'done', facts: { generation: 1 } })
})

python(
  'a restored venv is started: one that does not start is a failure, again and again',
  async () => {
    useTree()
    breakVenv(directory)
    await run('save')
    const place = join(root, 'pod-2', 'venv')
    for (let attempt = 1; attempt <= 2; attempt++) {
      const { error } = await run('restore', { directory: place })
      expect(error?.code).toBe('venv-archive/broken-venv')
      expect(error?.message).toContain('bin/python is missing')
    }
  },
)

python('verifies that the venvs start and that the store could give them back', async () => {
  useTree()
  await run('save')
  const first = await run('verify')
  expect(first).toMatchObject({ result: 'unchanged', facts: { venvs: 1 } })
  expect(first.facts?.['python']).toEqual([expect.stringMatching(/^3\.\d+\.\d+$/)])
  expect(Number(first.facts?.['chunks'])).toBeGreaterThan(0)
  expect(await run('verify', { store: '', archive: '' })).toMatchObject({ facts: { chunks: 0 } })

  const chunks = join(root, 'store', 'chunks')
  const [chunk = ''] = readdirSync(chunks, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.zst'),
  )
  const bytes = readFileSync(join(chunks, chunk))
  bytes[bytes.length >> 1]! ^= 1
  rmSync(join(chunks, chunk))
  writeFileSync(join(chunks, chunk), bytes)
  expect((await run('verify')).error?.code).toBe('venv-archive/damaged')
})

python('refuses to verify what it can’t', async () => {
  useTree()
  expect((await run('verify', { archive: '' })).error?.code).toBe('venv-archive/no-archive')
  expect((await run('verify')).error?.code).toBe('venv-archive/absent')
  mkdirSync(join(root, 'empty'))
  expect((await run('verify', { directory: join(root, 'empty') })).error?.code).toBe(
    'venv-archive/no-venv',
  )
  useTree(join(root, 'two', 'a'))
  useTree(join(root, 'two', 'b'))
  breakVenv(join(root, 'two', 'b'))
  const { error } = await run('verify', { directory: join(root, 'two'), store: '' })
  expect(error?.code).toBe('venv-archive/broken-venv')
})

test('plans tell what a restore would do', async () => {
  const plan = async () => {
    const { action, summary } = await planStep(steps.restore, withDefaults({}))
    return `${action}: ${summary.replaceAll(root, '')}`
  }
  expect(await plan()).toBe('skipped: the store has no archive comfyui/venv')
  useStore()
  expect(await plan()).toBe(
    'run: restore comfyui/venv (generation 1, or the newest that fits) to /venv',
  )
  await run('restore')
  expect(await plan()).toBe('unchanged: /venv is generation 1 already')
  expect(await readRecord(directory)).toMatchObject({ complete: true })
})
