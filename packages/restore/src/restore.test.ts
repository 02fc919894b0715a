import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { copyRecord, readRecord, saveTree } from '@berth/archive'
import type { StepDefinition } from '@berth/core'
import {
  hasVenv,
  mayMount,
  planStep,
  readTree,
  requirement,
  runStep,
  temporaryDirectory,
  testPlugin,
  type StepOverrides,
  type TestInputs,
} from '@berth/core/testing'
import { openStore } from '@berth/object-store'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { restore } from './index.ts'

const shared = restore.steps['shared'] as StepDefinition
const four = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']

/** Made once: a store with generation 1 of all four and generation 2 of the venv, and a volume with generation 1. */
const template = mkdtempSync(join(tmpdir(), 'berth-restore-'))

beforeAll(async () => {
  for (const directory of four) {
    await saveAs(directory, { text: `one of ${directory}`, url: `file://${template}/store-1` })
    const source = join(template, 'pod', directory)
    cpSync(source, join(template, 'volume', directory), { recursive: true })
    await copyRecord(source, join(template, 'volume', directory))
  }
  cpSync(join(template, 'store-1'), join(template, 'store-2'), { recursive: true })
  await saveAs('venv', { text: 'two of venv', url: `file://${template}/store-2` })
})

afterAll(() => rmSync(template, { recursive: true }))

async function saveAs(directory: string, { text, url }: { text: string; url: string }) {
  const source = join(template, 'pod', directory)
  write(join(source, 'file'), text)
  await saveDirectory(source, { name: `comfyui/${directory}`, url })
}

async function saveDirectory(directory: string, { name, url }: { name: string; url: string }) {
  const opened = await openStore(url, { env: {} })
  await saveTree({ store: opened, name, directory })
  await opened.close()
}

let root: string
let pod: string
let volume: string
let store: string

beforeEach(async () => {
  root = await temporaryDirectory()
  pod = join(root, 'pod')
  volume = join(root, 'volume')
  store = `file://${root}/store`
  mkdirSync(pod)
  mkdirSync(volume)
})

async function run(inputs: TestInputs = {}, overrides: StepOverrides = {}) {
  const { outcome, events } = await runStep(shared, withDefaults(inputs), overrides)
  const logs = events.flatMap((event) =>
    event.type === 'step:log' ? [`${event.level}: ${event.text}`] : [],
  )
  return { ...outcome, logs }
}

function withDefaults(inputs: TestInputs): TestInputs {
  return { to: pod, volume, store, archive: 'comfyui', directories: ['venv'], ...inputs }
}

async function codeOf(running: ReturnType<typeof run>): Promise<string | undefined> {
  const { result, error } = await running
  expect(result).toBe('failed')
  return error?.code
}

function write(path: string, text = 'text'): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

/** The store after so many saves of the venv. */
function useStore(generation: 1 | 2): void {
  const place = join(root, 'store')
  rmSync(place, { recursive: true, force: true })
  cpSync(join(template, `store-${generation}`), place, { recursive: true })
}

/** What another pod copied to the volume, with its record. */
function fillVolume(directory = 'venv'): void {
  for (const path of [directory, join(dirname(directory), '.berth', 'trees')]) {
    cpSync(join(template, 'volume', path), join(volume, path), { recursive: true })
  }
}

function content(directory = 'venv'): string {
  return readFileSync(join(pod, directory, 'file'), 'utf8')
}

function isLink(directory = 'venv'): boolean {
  return lstatSync(join(pod, directory), { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function asides(): string[] {
  return readdirSync(pod).filter((name) => name.includes('.berth-aside-'))
}

/** Removes the chunk that holds this text. */
function breakStore(text: string): void {
  const chunks = join(root, 'store', 'chunks')
  const broken = readdirSync(chunks, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.zst'))
    .filter((name) => zstdDecompressSync(readFileSync(join(chunks, name))).includes(text))
  expect(broken).not.toEqual([])
  for (const name of broken) rmSync(join(chunks, name))
}

testPlugin(restore, {
  shared: {
    prepare: async (directory) => {
      cpSync(join(template, 'store-1'), join(directory, 'store'), { recursive: true })
      cpSync(join(template, 'volume', '.cache'), join(directory, 'volume', '.cache'), {
        recursive: true,
      })
      return {
        inputs: {
          to: join(directory, 'pod'),
          volume: join(directory, 'volume'),
          store: `file://${directory}/store`,
          archive: 'comfyui',
          directories: ['venv', '.cache', 'nodes'],
        },
        secrets: { AWS_SECRET_ACCESS_KEY: 'secret-of-the-store' },
      }
    },
    bad: {
      'no directories': { directories: [] },
      'a directory outside': { directories: ['../venv'] },
      'an absolute directory': { directories: ['/venv'] },
      'one directory twice': { directories: ['venv', 'venv'] },
      'nested directories': { directories: ['ComfyUI', 'ComfyUI/custom_nodes'] },
      'an empty place': { to: '' },
      'a directory of the system': { to: '/', directories: ['usr'] },
      'an empty archive': { archive: '' },
      'a store URL with a typo': { store: 's4://bucket' },
      'a word that `existing` does not know': { existing: 'delete' },
      'an unknown input': { unknown: 1 },
    },
  },
})

test('links all four directories, without waiting for anything, and again without a change', async () => {
  useStore(1)
  for (const directory of four) fillVolume(directory)
  const startedAt = performance.now()
  const first = await run({ directories: four })
  expect(performance.now() - startedAt).toBeLessThan(5000)
  expect(first).toMatchObject({
    result: 'done',
    facts: { linked: four, unpacked: [], kept: [], absent: [], bytes: 0 },
  })
  for (const directory of four) {
    expect(readlinkSync(join(pod, directory))).toBe(join(volume, directory))
    expect(content(directory)).toBe(`one of ${directory}`)
  }
  const second = await run({ directories: four })
  expect(second).toMatchObject({ result: 'unchanged', facts: { linked: four } })
})

test('unpacks from the store where no volume is given, and keeps it the second time', async () => {
  useStore(2)
  expect(await run({ volume: '' })).toMatchObject({
    result: 'done',
    facts: { unpacked: ['venv'], linked: [], bytes: 11, files: 1 },
  })
  expect(content()).toBe('two of venv')
  expect(await run({ volume: '' })).toMatchObject({
    result: 'unchanged',
    facts: { kept: ['venv'] },
  })
})

test('says skipped where there is nothing anywhere, and a save is not refused for it later', async () => {
  expect(await run()).toMatchObject({ result: 'skipped', facts: { absent: ['venv'] } })
  expect(existsSync(join(pod, 'venv'))).toBe(false)
  expect(await readRecord(join(pod, 'venv'))).toBeUndefined()
})

test('a store that was not reached at first and then has nothing leaves no unfinished restore behind', async () => {
  write(join(root, 'store'), 'not a directory')
  expect((await run()).result).toBe('failed')
  rmSync(join(root, 'store'))
  expect(await run()).toMatchObject({ result: 'skipped', facts: { absent: ['venv'] } })
  expect(await readRecord(join(pod, 'venv'))).toBeUndefined()
})

test('keeps a user’s change in a restored directory, whatever the volume and the store hold by then', async () => {
  useStore(1)
  await run({ volume: '' })
  write(join(pod, 'venv', 'file'), 'mine')
  useStore(2)
  fillVolume()
  expect(await run()).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
  expect(content()).toBe('mine')
})

test('an empty directory on the volume never hides the pod’s own', async () => {
  write(join(pod, 'venv', 'file'), 'mine')
  mkdirSync(join(volume, 'venv'))
  expect(await run({ store: '' })).toMatchObject({ facts: { kept: ['venv'], linked: [] } })
  expect(content()).toBe('mine')
})

test('an empty directory on the volume never hides the archive', async () => {
  useStore(1)
  mkdirSync(join(volume, 'venv'))
  expect(await run()).toMatchObject({ facts: { unpacked: ['venv'] } })
  expect(content()).toBe('one of venv')
})

test('unpacks and says so where the volume is behind the store', async () => {
  useStore(2)
  fillVolume()
  const { facts, logs } = await run()
  expect(facts).toMatchObject({ unpacked: ['venv'], linked: [] })
  expect(content()).toBe('two of venv')
  expect(logs.join('\n')).toContain('the volume holds generation 1, the store 2')
})

test('a link of ours to a volume that fell behind makes way for the store’s newer generation', async () => {
  useStore(1)
  fillVolume()
  await run()
  expect(isLink()).toBe(true)
  useStore(2)
  await run()
  expect(isLink()).toBe(false)
  expect(content()).toBe('two of venv')
  expect(readFileSync(join(volume, 'venv', 'file'), 'utf8')).toBe('one of venv')
})

test('does not link to a directory that a copy is under way to, but to one beside an abandoned copy', async () => {
  useStore(1)
  fillVolume()
  const copy = join(volume, '.venv.berth-copy-0123456789abcdef')
  mkdirSync(copy)
  const busy = await run()
  expect(busy.facts).toMatchObject({ unpacked: ['venv'], linked: [] })
  expect(busy.logs[0]).toMatch(/^warn: venv: the volume is passed over: a copy to .* is under way/)
  rmSync(join(pod, 'venv'), { recursive: true })
  const long = Date.now() / 1000 - 7200
  utimesSync(copy, long, long)
  expect(await run()).toMatchObject({ facts: { linked: ['venv'] } })
})

test('does not link to a directory on the volume whose restore never ended', async () => {
  useStore(1)
  fillVolume()
  const path = join(volume, '.berth', 'trees', 'venv', 'record.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"complete":true', '"complete":false'))
  const { facts, logs } = await run()
  expect(facts).toMatchObject({ unpacked: ['venv'], linked: [] })
  expect(logs[0]).toMatch(/^warn: venv: the volume is passed over: a restore into .* never ended$/)
})

test('a user’s real directory is renamed aside, never deleted, by a link and by an unpacking', async () => {
  useStore(1)
  fillVolume('venv')
  write(join(pod, 'venv', 'file'), 'mine')
  write(join(pod, '.cache', 'file'), 'mine too')
  const { facts } = await run({ directories: ['venv', '.cache'] })
  expect(facts).toMatchObject({ linked: ['venv'], unpacked: ['.cache'] })
  const kept = asides().toSorted()
  expect(kept.map((name) => name.replace(/-.*/, ''))).toEqual(['.cache.berth', 'venv.berth'])
  expect(kept.map((name) => readFileSync(join(pod, name, 'file'), 'utf8'))).toEqual([
    'mine too',
    'mine',
  ])
})

test('`existing: keep` leaves a user’s directory, `fail` refuses, and neither touches it', async () => {
  useStore(1)
  fillVolume()
  write(join(pod, 'venv', 'file'), 'mine')
  expect(await run({ existing: 'keep' })).toMatchObject({ facts: { kept: ['venv'] } })
  expect(await codeOf(run({ existing: 'fail' }))).toBe('restore/occupied')
  expect(await codeOf(run({ existing: 'fail', volume: '' }))).toBe('archive/existing')
  expect(content()).toBe('mine')
  expect(asides()).toEqual([])
})

test('a file in the place of a directory is refused and stays', async () => {
  useStore(1)
  write(join(pod, 'venv'), 'mine')
  expect(await codeOf(run())).toBe('restore/occupied')
  expect(readFileSync(join(pod, 'venv'), 'utf8')).toBe('mine')
})

test('a foreign symlink stays, with a warning; one that leads nowhere is an error', async () => {
  useStore(1)
  fillVolume()
  write(join(root, 'elsewhere', 'file'), 'mine')
  symlinkSync(join(root, 'elsewhere'), join(pod, 'venv'))
  const { result, facts, logs } = await run()
  expect({ result, facts }).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
  expect(logs[0]).toMatch(
    /^warn: venv: .* is a link to .*elsewhere that Berth did not make; it stays$/,
  )
  rmSync(join(root, 'elsewhere'), { recursive: true })
  expect(await codeOf(run())).toBe('restore/occupied')
  expect(readlinkSync(join(pod, 'venv'))).toBe(join(root, 'elsewhere'))
})

test('a dangling link of ours is replaced from the store, and removed where there is nothing', async () => {
  useStore(1)
  fillVolume()
  await run()
  rmSync(volume, { recursive: true })
  await run({ volume: '' })
  expect(isLink()).toBe(false)
  expect(content()).toBe('one of venv')

  symlinkSync(join(volume, 'nodes'), join(pod, 'nodes'))
  expect(await run({ directories: ['nodes'] })).toMatchObject({ facts: { absent: ['nodes'] } })
  expect(isLink('nodes')).toBe(false)
})

test('a link of ours stays where the store has nothing and the link still leads somewhere', async () => {
  write(join(volume, 'venv', 'file'), 'shared')
  await run()
  expect(await run({ volume: '' })).toMatchObject({
    result: 'unchanged',
    facts: { kept: ['venv'] },
  })
  expect(content()).toBe('shared')
})

test('only a link that still points where it is recorded counts as ours', async () => {
  write(join(volume, 'venv', 'file'), 'shared')
  await run()
  rmSync(join(pod, 'venv'))
  write(join(root, 'elsewhere', 'file'), 'mine')
  symlinkSync(join(root, 'elsewhere'), join(pod, 'venv'))
  await run()
  expect(readlinkSync(join(pod, 'venv'))).toBe(join(root, 'elsewhere'))
})

test('a record of links that is not ours to read is an error, not an empty one', async () => {
  write(join(pod, '.berth', 'links.json'), '{"links":')
  expect(await codeOf(run())).toBe('restore/bad-links-file')
})

function alias(target: string): string {
  symlinkSync(target, join(root, 'alias'))
  return join(root, 'alias')
}

test.each([
  ['equal to the pod volume', () => ({ volume: pod })],
  ['equal through a symlink', () => ({ volume: alias(pod) })],
  ['nested in the pod volume', () => ({ volume: join(pod, 'net') })],
  ['nested in a directory of the pod', () => ({ volume: join(pod, 'venv', 'net') })],
  ['around the pod’s directory', () => ({ to: join(volume, 'venv', 'pod') })],
])('a volume %s is ignored with a warning, and nothing is lost', async (_, arrange) => {
  useStore(1)
  const inputs = { volume, to: pod, ...arrange() }
  mkdirSync(inputs.to, { recursive: true })
  write(join(inputs.volume, 'venv', 'file'), 'on the volume')
  write(join(inputs.to, 'venv', 'file'), 'mine')
  const { facts, logs } = await run({ ...inputs, existing: 'keep' })
  expect(facts).toMatchObject({ linked: [], kept: ['venv'] })
  expect(logs.join('\n')).toMatch(/warn: (venv: the volume is passed over|the volume is ignored): /)
  expect(readFileSync(join(inputs.to, 'venv', 'file'), 'utf8')).toBe('mine')
})

test('a directory of the volume that is a symlink back to the pod’s own is ignored', async () => {
  write(join(pod, 'venv', 'file'), 'mine')
  symlinkSync(join(pod, 'venv'), join(volume, 'venv'))
  const { facts, logs } = await run({ store: '' })
  expect(facts).toMatchObject({ kept: ['venv'] })
  expect(logs[0]).toContain('are the same place')
  expect(content()).toBe('mine')
})

test('a volume that is a file, or has a file in the place, is passed over', async () => {
  useStore(1)
  write(join(root, 'file'))
  expect(await run({ volume: join(root, 'file') })).toMatchObject({ facts: { unpacked: ['venv'] } })
  rmSync(join(pod, 'venv'), { recursive: true })
  write(join(volume, 'venv'))
  expect(await run()).toMatchObject({ facts: { unpacked: ['venv'] } })
})

const unprivileged = requirement(
  'unprivileged',
  process.getuid?.() !== 0 || 'root may write everywhere',
)
const mount = requirement('mount', mayMount())

mount('a volume that is mounted read-only is passed over', async () => {
  useStore(1)
  fillVolume()
  execFileSync('mount', ['--bind', volume, volume])
  try {
    execFileSync('mount', ['-o', 'remount,bind,ro', volume])
    const { facts, logs } = await run()
    expect(facts).toMatchObject({ unpacked: ['venv'] })
    expect(logs[0]).toMatch(/EROFS/)
  } finally {
    execFileSync('umount', [volume])
  }
})

mount('a volume mounted below the pod’s own disk is a volume', async () => {
  const inner = join(pod, 'net')
  mkdirSync(inner)
  execFileSync('mount', ['-t', 'tmpfs', 'none', inner])
  try {
    write(join(inner, 'venv', 'file'), 'shared')
    expect(await run({ volume: inner })).toMatchObject({ facts: { linked: ['venv'] } })
  } finally {
    execFileSync('umount', [inner])
  }
})

mount('a directory that is a mount point can’t be a link: it is unpacked into', async () => {
  useStore(1)
  fillVolume()
  const place = join(pod, 'venv')
  mkdirSync(place)
  execFileSync('mount', ['-t', 'tmpfs', 'none', place])
  try {
    const { facts, logs } = await run()
    expect(facts).toMatchObject({ unpacked: ['venv'] })
    expect(logs[0]).toMatch(/^warn: venv: could not link .*EBUSY/)
    expect(content()).toBe('one of venv')
  } finally {
    execFileSync('umount', [place])
  }
})

unprivileged('a volume that may not be written is passed over', async () => {
  useStore(1)
  fillVolume()
  chmodSync(join(volume, 'venv'), 0o555)
  expect(await run()).toMatchObject({ facts: { unpacked: ['venv'] } })
  // The temporary directory is removed by the same user.
  chmodSync(join(volume, 'venv'), 0o755)
})

test('a volume that nobody recorded anything about is linked', async () => {
  useStore(1)
  write(join(volume, 'venv', 'file'), 'by hand')
  expect(await run()).toMatchObject({ facts: { linked: ['venv'] } })
  expect(content()).toBe('by hand')
})

test('a store that can’t be reached does not prevent a link, hardly delays it, and is said', async () => {
  fillVolume()
  const { facts, logs } = await run(
    { store: 's3://bucket/prefix?endpoint=http://127.0.0.1:9&region=here' },
    { env: { AWS_ACCESS_KEY_ID: 'id' }, secrets: { AWS_SECRET_ACCESS_KEY: 'secret-of-the-store' } },
  )
  expect(facts).toMatchObject({ linked: ['venv'] })
  expect(logs[0]).toMatch(/^warn: venv: whether the volume is behind the store is not known: /)
  expect(logs[0]).toMatch(/connection refused \(ECONNREFUSED\) \(2 tries\)$/)
})

test('one directory that fails does not stop the others, and is named', async () => {
  useStore(1)
  breakStore('one of venv')
  const { error } = await run({ volume: '', directories: ['venv', '.cache'] })
  expect(error?.code).toBe('restore/failed')
  expect(error?.message).toMatch(/^could not put 1 of 2 directories in place: /)
  expect(error?.problems?.map(({ code }) => code)).toEqual(['archive/missing-chunk'])
  expect(content('.cache')).toBe('one of .cache')
  expect(existsSync(join(pod, 'venv'))).toBe(false)
})

test('a failed restore is never reported as kept the next time', async () => {
  useStore(1)
  breakStore('one of venv')
  expect(await codeOf(run({ volume: '' }))).toBe('archive/missing-chunk')
  expect(await codeOf(run({ volume: '' }))).toBe('archive/missing-chunk')
})

test('a link of ours is back after an unpacking that failed', async () => {
  useStore(1)
  fillVolume()
  await run()
  useStore(2)
  breakStore('two of venv')
  expect(await codeOf(run())).toBe('archive/missing-chunk')
  expect(readlinkSync(join(pod, 'venv'))).toBe(join(volume, 'venv'))
})

const python = requirement('python', hasVenv())

function makeVenv(path: string): void {
  execFileSync('python3', ['-m', 'venv', '--without-pip', path])
}

function breakVenv(path: string): void {
  rmSync(join(path, 'bin', 'python3'))
  symlinkSync('/no/such/python3', join(path, 'bin', 'python3'))
}

python('a venv on the volume whose Python does not start falls through to the store', async () => {
  const other = join(root, 'other', 'venv')
  makeVenv(other)
  await saveDirectory(other, { name: 'comfyui/venv', url: store })
  cpSync(other, join(volume, 'venv'), { recursive: true, verbatimSymlinks: true })
  breakVenv(join(volume, 'venv'))
  const { facts, logs } = await run()
  expect(facts).toMatchObject({ unpacked: ['venv'], linked: [] })
  expect(logs[0]).toMatch(/^warn: venv: could not use `venv`: .*bin\/python is missing/)
  execFileSync(join(pod, 'venv', 'bin', 'python3'), ['-c', 'import sys'])
})

python(
  'a venv that starts nowhere is a failure: not a link, not absent, and not kept',
  async () => {
    makeVenv(join(volume, 'venv'))
    breakVenv(join(volume, 'venv'))
    expect(await codeOf(run())).toBe('restore/broken-venv')
    expect(isLink()).toBe(false)
    expect(await codeOf(run({ store: '' }))).toBe('restore/broken-venv')
  },
)

python('a link that was there before is checked again', async () => {
  makeVenv(join(volume, 'venv'))
  expect(await run()).toMatchObject({ facts: { linked: ['venv'] } })
  breakVenv(join(volume, 'venv'))
  expect(await codeOf(run())).toBe('restore/broken-venv')
})

python('a restored venv that broke is a failure, a user’s own only a warning', async () => {
  const other = join(root, 'other', 'venv')
  makeVenv(other)
  await saveDirectory(other, { name: 'comfyui/venv', url: store })
  await run({ volume: '' })
  breakVenv(join(pod, 'venv'))
  expect(await codeOf(run({ volume: '' }))).toBe('restore/broken-venv')
  rmSync(join(pod, '.berth'), { recursive: true })
  const { facts, logs } = await run({ volume: '', store: '' })
  expect(facts).toMatchObject({ kept: ['venv'] })
  expect(logs[0]).toMatch(/^warn: could not use `venv`/)
})

python('one broken venv among several is a warning', async () => {
  makeVenv(join(volume, 'venvs', 'good'))
  makeVenv(join(volume, 'venvs', 'bad'))
  breakVenv(join(volume, 'venvs', 'bad'))
  const { facts, logs } = await run({ directories: ['venvs'] })
  expect(facts).toMatchObject({ linked: ['venvs'] })
  expect(logs[0]).toMatch(/^warn: venvs: the venv .*bad does not work/)
})

test('a restore that is killed leaves the place absent, and the next one completes it', async () => {
  const other = join(root, 'other', 'venv')
  for (let file = 0; file < 1500; file++)
    write(join(other, `${file % 20}`, `file-${file}`), `${file}`)
  await saveDirectory(other, { name: 'comfyui/venv', url: store })
  const script = `
    import { runStep } from '@berth/core/testing'
    import { restore } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    await runStep(restore.steps.shared, ${JSON.stringify(withDefaults({ volume: '' }))})`
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    stdio: 'ignore',
  })
  const trees = join(pod, '.berth', 'trees', 'venv')
  const isUnderWay = () =>
    existsSync(trees) && readdirSync(trees).some((name) => name.startsWith('staging-'))
  await expect.poll(isUnderWay, { interval: 2, timeout: 20_000 }).toBe(true)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  expect(existsSync(join(pod, 'venv'))).toBe(false)
  expect(await readRecord(join(pod, 'venv'))).toMatchObject({ complete: false })
  expect(await run({ volume: '' })).toMatchObject({ facts: { unpacked: ['venv'], files: 1500 } })
  expect(await readTree(join(pod, 'venv'))).toEqual(await readTree(other))
})

test('a plan says what would happen, and why', async () => {
  useStore(1)
  fillVolume('venv')
  write(join(pod, '.comfyui', 'file'), 'mine')
  const directories = ['venv', '.cache', '.comfyui', 'nodes']
  const plan = await planStep(shared, withDefaults({ directories }))
  expect(plan.action).toBe('run')
  expect(plan.summary.replaceAll(root, '').split('; ')).toEqual([
    'venv: link to /volume/venv (the volume holds it)',
    '.cache: unpack generation 1 of comfyui/.cache (the volume does not have it)',
    '.comfyui: unpack generation 1 of comfyui/.comfyui (the volume does not have it)',
    'nodes: absent (the volume does not have it, and the store has no archive comfyui/nodes)',
  ])
})
