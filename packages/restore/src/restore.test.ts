import { execFileSync } from 'node:child_process'
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
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { copyRecord, readRecord, saveTree } from '@berth/archive'
import { BerthError } from '@berth/core'
import { openStore } from '@berth/object-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { restore } from './index.ts'
import { planStep, runStep, type TestRun } from './test-step.ts'

let root: string
let pod: string
let volume: string
let store: string

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'berth-restore-')))
  pod = join(root, 'pod')
  volume = join(root, 'volume')
  store = `file://${root}/store`
  mkdirSync(pod)
  mkdirSync(volume)
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

const four = ['venv', '.comfyui', '.cache', 'ComfyUI/custom_nodes']

function run(inputs: Record<string, unknown> = {}): Promise<TestRun> {
  return runStep(restore, 'shared', withDefaults(inputs))
}

function withDefaults(inputs: Record<string, unknown>): Record<string, unknown> {
  return { to: pod, volume, store, archive: 'comfyui', directories: ['venv'], ...inputs }
}

async function failure(promise: Promise<unknown>): Promise<BerthError & { logs: string[] }> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BerthError)
  return error as BerthError & { logs: string[] }
}

function write(path: string, content = 'content'): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

/** Saves a tree with one file as the next generation of an archive, as another pod would have. */
async function save(directory: string, content: string): Promise<void> {
  const source = join(root, 'other-pod', directory)
  write(join(source, 'file'), content)
  await saveDirectory(directory, source)
}

async function saveDirectory(directory: string, source: string): Promise<void> {
  const opened = await openStore(store, { env: {} })
  await saveTree({ store: opened, name: `comfyui/${directory}`, directory: source })
  await opened.close()
}

/** What other pods left on the volume: a copy of the other pod's directory with its record. */
async function fillVolume(directory: string): Promise<void> {
  const source = join(root, 'other-pod', directory)
  cpSync(source, join(volume, directory), { recursive: true, preserveTimestamps: true })
  await copyRecord(source, join(volume, directory))
}

function content(directory = 'venv'): string {
  return readFileSync(join(pod, directory, 'file'), 'utf8')
}

function isLink(directory = 'venv'): boolean {
  return lstatSync(join(pod, directory), { throwIfNoEntry: false })?.isSymbolicLink() ?? false
}

function asides(directory = pod): string[] {
  return readdirSync(directory).filter((name) => name.includes('.berth-aside-'))
}

test('links all four directories, in well under a second, and again without a change', async () => {
  for (const directory of four) {
    await save(directory, directory)
    await fillVolume(directory)
  }
  const startedAt = performance.now()
  const first = await run({ directories: four })
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(first.outcome).toMatchObject({
    result: 'done',
    facts: { linked: four, unpacked: [], kept: [], absent: [], bytes: 0 },
  })
  for (const directory of four) {
    expect(readlinkSync(join(pod, directory))).toBe(join(volume, directory))
    expect(content(directory)).toBe(directory)
  }
  const second = await run({ directories: four })
  expect(second.outcome).toMatchObject({ result: 'unchanged', facts: { linked: four } })
})

test('unpacks from the store where no volume is given, and keeps it the second time', async () => {
  await save('venv', 'one')
  const first = await run({ volume: '' })
  expect(first.outcome).toMatchObject({
    result: 'done',
    facts: { unpacked: ['venv'], linked: [], bytes: 3, files: 1 },
  })
  expect(content()).toBe('one')
  const second = await run({ volume: '' })
  expect(second.outcome).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
})

test('says skipped where there is nothing anywhere, and leaves no trace of the directory', async () => {
  const { outcome } = await run()
  expect(outcome).toMatchObject({ result: 'skipped', facts: { absent: ['venv'] } })
  expect(existsSync(join(pod, 'venv'))).toBe(false)
  expect((await readRecord(join(pod, 'venv')))?.complete).not.toBe(false)
})

test('keeps a user’s change in a restored directory, whatever the volume and the store hold by then', async () => {
  await save('venv', 'one')
  await run({ volume: '' })
  write(join(pod, 'venv', 'file'), 'mine')
  await save('venv', 'two')
  await fillVolume('venv')
  const { outcome } = await run()
  expect(outcome).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
  expect(content()).toBe('mine')
})

test('an empty directory on the volume never hides the pod’s own', async () => {
  write(join(pod, 'venv', 'file'), 'mine')
  mkdirSync(join(volume, 'venv'))
  const { outcome } = await run({ store: '' })
  expect(outcome).toMatchObject({ facts: { kept: ['venv'], linked: [] } })
  expect(content()).toBe('mine')
})

test('an empty directory on the volume never hides the archive', async () => {
  await save('venv', 'stored')
  mkdirSync(join(volume, 'venv'))
  const { outcome } = await run()
  expect(outcome).toMatchObject({ facts: { unpacked: ['venv'] } })
  expect(content()).toBe('stored')
})

test('unpacks and says so where the volume is behind the store', async () => {
  await save('venv', 'one')
  await fillVolume('venv')
  await save('venv', 'two')
  const { outcome, logs } = await run()
  expect(outcome).toMatchObject({ facts: { unpacked: ['venv'], linked: [] } })
  expect(content()).toBe('two')
  expect(logs.join('\n')).toContain('the volume holds generation 1, the store 2')
})

test('a link of ours to a volume that fell behind is replaced by the store’s newer generation', async () => {
  await save('venv', 'one')
  await fillVolume('venv')
  await run()
  expect(isLink()).toBe(true)
  await save('venv', 'two')
  await run()
  expect(isLink()).toBe(false)
  expect(content()).toBe('two')
  expect(readFileSync(join(volume, 'venv', 'file'), 'utf8')).toBe('one')
})

test.each(['a broken copy beside it', 'an unfinished restore'])(
  'does not link to a directory on the volume with %s',
  async (what) => {
    await save('venv', 'stored')
    await fillVolume('venv')
    if (what === 'a broken copy beside it')
      mkdirSync(join(volume, '.venv.berth-copy-0123456789abcdef'))
    else {
      const path = join(volume, '.berth', 'trees', 'venv', 'record.json')
      writeFileSync(path, readFileSync(path, 'utf8').replace('"complete":true', '"complete":false'))
    }
    const { outcome, logs } = await run()
    expect(outcome).toMatchObject({ facts: { unpacked: ['venv'], linked: [] } })
    expect(logs.join('\n')).toMatch(/warn: venv: the volume is passed over: /)
  },
)

test('a user’s real directory is renamed aside, never deleted, by a link and by an unpacking', async () => {
  await save('venv', 'stored')
  await save('.cache', 'stored')
  await fillVolume('venv')
  write(join(pod, 'venv', 'file'), 'mine')
  write(join(pod, '.cache', 'file'), 'mine too')
  const { outcome } = await run({ directories: ['venv', '.cache'] })
  expect(outcome).toMatchObject({ facts: { linked: ['venv'], unpacked: ['.cache'] } })
  const kept = asides().toSorted()
  expect(kept.map((name) => name.replace(/-.*/, ''))).toEqual(['.cache.berth', 'venv.berth'])
  expect(kept.map((name) => readFileSync(join(pod, name, 'file'), 'utf8'))).toEqual([
    'mine too',
    'mine',
  ])
})

test('`existing: keep` leaves a user’s directory, `fail` refuses, and neither touches it', async () => {
  await save('venv', 'stored')
  await fillVolume('venv')
  write(join(pod, 'venv', 'file'), 'mine')
  expect((await run({ existing: 'keep' })).outcome).toMatchObject({ facts: { kept: ['venv'] } })
  expect((await failure(run({ existing: 'fail' }))).code).toBe('restore/occupied')
  expect((await failure(run({ existing: 'fail', volume: '' }))).code).toBe('archive/existing')
  expect(content()).toBe('mine')
  expect(asides()).toEqual([])
})

test('a foreign symlink stays, with a warning; one that leads nowhere is an error', async () => {
  await save('venv', 'stored')
  await fillVolume('venv')
  write(join(root, 'elsewhere', 'file'), 'mine')
  symlinkSync(join(root, 'elsewhere'), join(pod, 'venv'))
  const { outcome, logs } = await run()
  expect(outcome).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
  expect(logs[0]).toMatch(
    /^warn: venv: .* is a link to .*elsewhere that Berth did not make; it stays$/,
  )
  rmSync(join(root, 'elsewhere'), { recursive: true })
  expect((await failure(run())).code).toBe('restore/occupied')
  expect(readlinkSync(join(pod, 'venv'))).toBe(join(root, 'elsewhere'))
})

test('a dangling link of ours is replaced from the store, and removed where there is nothing', async () => {
  await save('venv', 'one')
  await fillVolume('venv')
  await run()
  rmSync(volume, { recursive: true })
  await run({ volume: '' })
  expect(isLink()).toBe(false)
  expect(content()).toBe('one')

  symlinkSync(join(volume, '.cache'), join(pod, '.cache'))
  const { outcome } = await run({ directories: ['.cache'] })
  expect(outcome).toMatchObject({ facts: { absent: ['.cache'] } })
  expect(isLink('.cache')).toBe(false)
})

test('a link of ours stays where the store has nothing and the link still leads somewhere', async () => {
  write(join(volume, 'venv', 'file'), 'shared')
  await run()
  const { outcome } = await run({ volume: '' })
  expect(outcome).toMatchObject({ result: 'unchanged', facts: { kept: ['venv'] } })
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

test.each([
  ['equal to the pod volume', () => ({ volume: pod })],
  [
    'equal through a symlink',
    () => (symlinkSync(pod, join(root, 'alias')), { volume: join(root, 'alias') }),
  ],
  ['nested in the pod volume', () => ({ volume: join(pod, 'net') })],
  ['nested in a directory of the pod', () => ({ volume: join(pod, 'venv', 'net') })],
  ['around the pod’s directory', () => ({ to: join(volume, 'venv', 'pod') })],
])('a volume %s is ignored with a warning, and nothing is lost', async (_, arrange) => {
  await save('venv', 'stored')
  const inputs = { volume, to: pod, ...arrange() }
  mkdirSync(inputs.to, { recursive: true })
  write(join(inputs.volume, 'venv', 'file'), 'on the volume')
  write(join(inputs.to, 'venv', 'file'), 'mine')
  const { outcome, logs } = await run({ ...inputs, existing: 'keep' })
  expect(outcome).toMatchObject({ facts: { linked: [], kept: ['venv'] } })
  expect(logs.join('\n')).toMatch(/warn: (venv: the volume is passed over|the volume is ignored): /)
  expect(readFileSync(join(inputs.to, 'venv', 'file'), 'utf8')).toBe('mine')
})

test('a directory of the volume that is a symlink back to the pod’s own is ignored', async () => {
  write(join(pod, 'venv', 'file'), 'mine')
  symlinkSync(join(pod, 'venv'), join(volume, 'venv'))
  const { outcome, logs } = await run({ store: '' })
  expect(outcome).toMatchObject({ facts: { kept: ['venv'] } })
  expect(logs[0]).toContain('are the same place')
  expect(content()).toBe('mine')
})

test('a volume that is a file, or has a file in the place, is passed over', async () => {
  await save('venv', 'stored')
  write(join(root, 'file'))
  expect((await run({ volume: join(root, 'file') })).outcome).toMatchObject({
    facts: { unpacked: ['venv'] },
  })
  rmSync(join(pod, 'venv'), { recursive: true })
  write(join(volume, 'venv'))
  expect((await run()).outcome).toMatchObject({ facts: { unpacked: ['venv'] } })
})

const mayMount = process.getuid?.() === 0 && tryMount()

function tryMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' })
    const probe = mkdtempSync(join(tmpdir(), 'berth-mount-'))
    execFileSync('mount', ['-t', 'tmpfs', 'none', probe], { stdio: 'ignore' })
    execFileSync('umount', [probe])
    return true
  } catch {
    return false
  }
}

test.skipIf(!mayMount)('a volume that is mounted read-only is passed over', async () => {
  await save('venv', 'stored')
  await fillVolume('venv')
  execFileSync('mount', ['--bind', volume, volume])
  try {
    execFileSync('mount', ['-o', 'remount,bind,ro', volume])
    const { outcome, logs } = await run()
    expect(outcome).toMatchObject({ facts: { unpacked: ['venv'] } })
    expect(logs[0]).toMatch(/EROFS/)
  } finally {
    execFileSync('umount', [volume])
  }
})

test.skipIf(process.getuid?.() === 0)(
  'a volume that may not be written is passed over',
  async () => {
    await save('venv', 'stored')
    await fillVolume('venv')
    chmodSync(join(volume, 'venv'), 0o555)
    const { outcome } = await run()
    expect(outcome).toMatchObject({ facts: { unpacked: ['venv'] } })
  },
)

test('a volume that nobody recorded anything about is linked', async () => {
  await save('venv', 'stored')
  write(join(volume, 'venv', 'file'), 'by hand')
  const { outcome } = await run()
  expect(outcome).toMatchObject({ facts: { linked: ['venv'] } })
  expect(content()).toBe('by hand')
})

test('a store that can’t be reached does not prevent a link, and is said', async () => {
  await save('venv', 'one')
  await fillVolume('venv')
  const { outcome, logs } = await run({
    store: 's3://bucket/prefix?endpoint=http://127.0.0.1:9&region=here',
  })
  expect(outcome).toMatchObject({ facts: { linked: ['venv'] } })
  expect(logs.join('\n')).toMatch(
    /warn: venv: whether the volume is behind the store is not known: /,
  )
})

test('one directory that fails does not stop the others, and is named', async () => {
  await save('venv', 'one')
  await save('.cache', 'two')
  breakArchive('venv')
  const error = await failure(run({ volume: '', directories: ['venv', '.cache'] }))
  expect(error.code).toBe('restore/failed')
  expect(error.message).toMatch(/^could not put 1 of 2 directories in place: /)
  expect(error.problems.map(({ code }) => code)).toEqual(['archive/missing-chunk'])
  expect(content('.cache')).toBe('two')
  expect(existsSync(join(pod, 'venv'))).toBe(false)
})

/** Removes the chunks that only this archive has. */
function breakArchive(directory: string): void {
  const own = readFileSync(join(root, 'other-pod', directory, 'file'), 'utf8')
  const chunks = join(root, 'store', 'chunks')
  for (const name of readdirSync(chunks, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.zst')) continue
    const text = execFileSync('zstd', ['-dc', join(chunks, name)]).toString('latin1')
    if (text.includes(own)) rmSync(join(chunks, name))
  }
}

test('a failed restore is never reported as kept the next time', async () => {
  await save('venv', 'one')
  breakArchive('venv')
  await failure(run({ volume: '' }))
  const again = await failure(run({ volume: '' }))
  expect(again.code).toBe('archive/missing-chunk')
})

test('a link of ours is back after an unpacking that failed', async () => {
  await save('venv', 'one')
  await fillVolume('venv')
  await run()
  await save('venv', 'two')
  breakArchive('venv')
  await failure(run())
  expect(readlinkSync(join(pod, 'venv'))).toBe(join(volume, 'venv'))
})

const python = findPython()

function findPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function makeVenv(path: string): void {
  execFileSync('python3', ['-m', 'venv', '--without-pip', path])
}

function breakVenv(path: string): void {
  rmSync(join(path, 'bin', 'python3'))
  symlinkSync('/no/such/python3', join(path, 'bin', 'python3'))
}

test.skipIf(!python)(
  'a venv on the volume whose Python does not start falls through to the store',
  async () => {
    const other = join(root, 'other-pod', 'venv')
    makeVenv(other)
    await saveDirectory('venv', other)
    await fillVolume('venv')
    breakVenv(join(volume, 'venv'))
    const { outcome, logs } = await run()
    expect(outcome).toMatchObject({ facts: { unpacked: ['venv'], linked: [] } })
    expect(logs[0]).toMatch(/^warn: venv: could not use `venv`: .*bin\/python is missing/)
    execFileSync(join(pod, 'venv', 'bin', 'python3'), ['-c', 'import sys'])
  },
)

test.skipIf(!python)(
  'a venv that starts nowhere is a failure, not a link, not absent, and not kept',
  async () => {
    makeVenv(join(volume, 'venv'))
    breakVenv(join(volume, 'venv'))
    const error = await failure(run())
    expect(error.code).toBe('restore/broken-venv')
    expect(isLink()).toBe(false)
    expect((await failure(run({ store: '' }))).code).toBe('restore/broken-venv')
  },
)

test.skipIf(!python)('a kept venv that broke is a failure as well', async () => {
  const other = join(root, 'other-pod', 'venv')
  makeVenv(other)
  await saveDirectory('venv', other)
  await run({ volume: '' })
  breakVenv(join(pod, 'venv'))
  expect((await failure(run({ volume: '' }))).code).toBe('restore/broken-venv')
})

test('an aborted step stops with the reason it was given', async () => {
  await save('venv', 'one')
  const reason = new Error('stop')
  const promise = runStep(restore, 'shared', withDefaults({ volume: '' }), {
    signal: AbortSignal.abort(reason),
  })
  await expect(promise).rejects.toBe(reason)
  expect(existsSync(join(pod, 'venv'))).toBe(false)
})

test('a plan says what would happen and writes nothing', async () => {
  await save('venv', 'one')
  await save('.cache', 'two')
  await fillVolume('venv')
  const before = readdirSync(root, { recursive: true }).toSorted()
  const plan = await planStep(
    restore,
    'shared',
    withDefaults({ directories: ['venv', '.cache', 'nodes'] }),
  )
  expect(plan.action).toBe('run')
  expect(plan.summary.replaceAll(root, '')).toMatchInlineSnapshot(
    `"venv: link to /volume/venv (the volume holds it); .cache: unpack generation 1 of comfyui/.cache (the volume does not have it); nodes: absent (the store has no archive comfyui/nodes)"`,
  )
  expect(readdirSync(root, { recursive: true }).toSorted()).toEqual(before)
})

test.each([
  [{ directories: [] }],
  [{ directories: ['../venv'] }],
  [{ directories: ['/venv'] }],
  [{ directories: ['venv', 'venv'] }],
  [{ directories: ['ComfyUI', 'ComfyUI/custom_nodes'] }],
  [{ directories: ['venv/'] }],
  [{ directories: [''] }],
  [{ to: '' }],
  [{ archive: '' }],
  [{ existing: 'delete' }],
  [{ unknown: 1 }],
])('refuses the inputs %j', (inputs) => {
  expect(restore.steps['shared']?.inputs.safeParse(withDefaults(inputs)).success).toBe(false)
})

test('refuses a store URL with a typo and a directory of the system before it touches anything', async () => {
  write(join(volume, 'venv', 'file'))
  expect((await failure(run({ store: 's4://bucket' }))).code).toBe('object-store/bad-url')
  expect((await failure(run({ to: '/', directories: ['usr'] }))).code).toBe(
    'filesystem/system-root',
  )
  expect(readdirSync(pod)).toEqual([])
})
