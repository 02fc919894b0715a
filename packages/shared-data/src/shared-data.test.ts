import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { latestGeneration, readRecord, restoreTree } from '@berth/archive'
import type { StepDefinition } from '@berth/core'
import {
  mayMount,
  planStep,
  requirement,
  runStep,
  temporaryDirectory,
  testPlugin,
  type StepOverrides,
  type TestInputs,
} from '@berth/core/testing'
import { acquireLease } from '@berth/filesystem'
import { openStore } from '@berth/object-store'
import { beforeEach, expect, test } from 'vitest'
import { sharedData } from './index.ts'

const copyStep = sharedData.steps['copy'] as StepDefinition
const saveStep = sharedData.steps['save'] as StepDefinition

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

async function run(step: StepDefinition, inputs: TestInputs, overrides: StepOverrides = {}) {
  const { outcome, events } = await runStep(step, inputs, overrides)
  const logs = events.flatMap((event) =>
    event.type === 'step:log' ? [`${event.level}: ${event.text}`] : [],
  )
  return { ...outcome, logs }
}

function copy(inputs: TestInputs = {}, overrides: StepOverrides = {}) {
  return run(copyStep, { from: pod, volume, directories: ['venv'], ...inputs }, overrides)
}

function save(inputs: TestInputs = {}, overrides: StepOverrides = {}) {
  const defaults = { from: pod, store, archive: 'comfyui', directories: ['venv'] }
  return run(saveStep, { ...defaults, ...inputs }, overrides)
}

async function codeOf(running: ReturnType<typeof run>): Promise<string | undefined> {
  const { result, error } = await running
  expect(result).toBe('failed')
  return error?.code
}

testPlugin(sharedData, {
  copy: {
    prepare: (directory) => {
      write(join(directory, 'pod', 'venv', 'lib', 'a.py'))
      write(join(directory, 'pod', '.cache', 'file'))
      write(join(directory, 'volume', '.cache', 'file'), 'theirs')
      return {
        inputs: {
          from: join(directory, 'pod'),
          volume: join(directory, 'volume'),
          directories: ['venv', '.cache', 'absent'],
        },
      }
    },
    bad: {
      'no directories': { directories: [] },
      'a directory outside': { directories: ['../venv'] },
      'nested directories': { directories: ['ComfyUI', 'ComfyUI/custom_nodes'] },
      'an empty place': { from: '' },
      'a directory of the system': { from: '/', directories: ['usr'] },
      'a volume that is not there': { volume: '/no/such/volume' },
      'a text for `update`': { update: 'yes' },
      'an unknown input': { unknown: 1 },
    },
  },
  save: {
    prepare: (directory) => {
      write(join(directory, 'pod', 'venv', 'lib', 'a.py'))
      return {
        inputs: {
          from: join(directory, 'pod'),
          store: `file://${directory}/store`,
          archive: 'comfyui',
          directories: ['venv', 'absent'],
        },
        secrets: { AWS_SECRET_ACCESS_KEY: 'secret-of-the-store' },
      }
    },
    isStaging: (path) => /(^|\/)\.berth\/|^store\//.test(path),
    bad: {
      'no directories': { directories: [] },
      'one directory twice': { directories: ['venv', 'venv'] },
      'an empty archive': { archive: '' },
      'a store URL with a typo': { store: 's4://bucket' },
      'an unknown input': { unknown: 1 },
    },
  },
})

function write(path: string, content = 'content'): string {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
  return path
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

/** What a pod gets back from the store. */
async function restored(directory = 'venv'): Promise<string> {
  const place = join(root, `restored-${Math.random()}`, directory)
  const opened = await openStore(store, { env: {} })
  await restoreTree({ store: opened, name: `comfyui/${directory}`, directory: place })
  await opened.close()
  return place
}

async function generation(directory = 'venv'): Promise<number | undefined> {
  const opened = await openStore(store, { env: {} })
  return latestGeneration(opened, `comfyui/${directory}`)
}

function leftovers(directory = volume): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('.') && name !== '.berth')
}

test('copies what the volume lacks, whole, and the second time nothing', async () => {
  write(join(pod, 'venv', 'lib', 'a.py'), 'a')
  write(join(pod, 'venv', '.hidden'))
  mkdirSync(join(pod, 'venv', 'empty'))
  symlinkSync('/usr/bin/env', join(pod, 'venv', 'python'))
  chmodSync(write(join(pod, 'venv', 'tool')), 0o751)
  utimesSync(join(pod, 'venv', 'tool'), 1_600_000_000, 1_600_000_000)
  const outcome = await copy()
  expect(outcome).toMatchObject({
    result: 'done',
    facts: { copied: ['venv'], files: 3, bytes: 15 },
  })
  const tool = lstatSync(join(volume, 'venv', 'tool'))
  expect({ mode: tool.mode & 0o777, mtime: tool.mtimeMs }).toEqual({
    mode: 0o751,
    mtime: 1_600_000_000_000,
  })
  expect(readlinkSync(join(volume, 'venv', 'python'))).toBe('/usr/bin/env')
  expect(readdirSync(join(volume, 'venv', 'empty'))).toEqual([])
  expect(leftovers()).toEqual([])
  expect(await copy()).toMatchObject({
    result: 'unchanged',
    facts: { unchanged: ['venv'] },
  })
})

test('fills an empty directory on the volume, and leaves a non-empty one alone', async () => {
  write(join(pod, 'venv', 'file'), 'mine')
  write(join(pod, '.cache', 'file'), 'mine')
  mkdirSync(join(volume, 'venv'))
  write(join(volume, '.cache', 'file'), 'theirs')
  const outcome = await copy({ directories: ['venv', '.cache'] })
  expect(outcome).toMatchObject({ facts: { copied: ['venv'], unchanged: ['.cache'] } })
  expect(read(join(volume, '.cache', 'file'))).toBe('theirs')
})

test('without a volume nothing is copied; a volume that is not there is an error and is not made', async () => {
  write(join(pod, 'venv', 'file'))
  expect(await copy({ volume: '' })).toMatchObject({
    result: 'skipped',
    reason: 'there is no network volume',
  })
  expect(await codeOf(copy({ volume: join(root, 'gone') }))).toBe('shared-data/no-volume')
  expect(existsSync(join(root, 'gone'))).toBe(false)
})

test.each([
  ['the pod volume itself', () => pod],
  [
    'the pod volume through a symlink',
    () => (symlinkSync(pod, join(root, 'alias')), join(root, 'alias')),
  ],
  ['nested in the pod volume', () => (mkdirSync(join(pod, 'net')), join(pod, 'net'))],
  [
    'nested in the directory',
    () => (mkdirSync(join(pod, 'venv', 'net')), join(pod, 'venv', 'net')),
  ],
])('a volume that is %s is ignored with a warning', async (_, arrange) => {
  write(join(pod, 'venv', 'file'), 'mine')
  const place = arrange()
  const ended = await copy({ volume: place })
  expect(ended.result).toBe('skipped')
  expect(ended.logs[0]).toMatch(/^warn: the volume is ignored: /)
  expect(read(join(pod, 'venv', 'file'))).toBe('mine')
})

test('a pod whose disk lies in the directory of the volume is not copied into itself', async () => {
  const inner = join(volume, 'venv', 'pod')
  write(join(inner, 'venv', 'file'), 'mine')
  const ended = await copy({ from: inner })
  expect(ended).toMatchObject({ result: 'skipped', facts: { skipped: ['venv'] } })
  expect(ended.logs[0]).toMatch(/^warn: venv: skipped \(/)
})

test('a directory that is a link to the volume is unchanged, and one that is missing or empty is skipped', async () => {
  write(join(volume, 'venv', 'file'))
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  mkdirSync(join(pod, 'empty'))
  const outcome = await copy({ directories: ['venv', 'empty', 'absent'] })
  expect(outcome).toMatchObject({ facts: { unchanged: ['venv'], skipped: ['empty', 'absent'] } })
  expect(existsSync(join(volume, 'empty'))).toBe(false)
})

test('an incomplete restore is neither copied nor saved', async () => {
  write(join(pod, 'venv', 'file'))
  await save()
  const record = join(pod, '.berth', 'trees', 'venv', 'record.json')
  writeFileSync(record, read(record).replace('"complete":true', '"complete":false'))
  write(join(pod, 'venv', 'file'), 'half')
  const ended = await copy()
  expect(ended).toMatchObject({ result: 'skipped', facts: { skipped: ['venv'] } })
  expect(ended.logs).toEqual(['warn: venv: skipped (its restore never ended)'])
  expect(await codeOf(save())).toBe('archive/incomplete-restore')
  expect(await generation()).toBe(1)
})

test('an update replaces what the volume holds, sets the old one aside, and is unchanged the second time', async () => {
  write(join(pod, 'venv', 'file'), 'newer')
  write(join(volume, 'venv', 'file'), 'old')
  const ended = await copy({ update: true })
  expect(ended).toMatchObject({ result: 'done', facts: { copied: ['venv'] } })
  expect(read(join(volume, 'venv', 'file'))).toBe('newer')
  const [aside] = readdirSync(volume).filter((name) => name.includes('.berth-aside-'))
  expect(read(join(volume, aside ?? '', 'file'))).toBe('old')
  expect(ended.logs.join('\n')).toContain(`now at ${volume}/${aside}`)
  expect(await copy({ update: true })).toMatchObject({ result: 'unchanged' })
})

test('an update never replaces a newer generation', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  await save()
  await copy()
  symlinkSync(join(volume, 'venv'), join(root, 'venv'))
  write(join(volume, 'venv', 'file'), 'two')
  await save({ from: root })
  const ended = await copy({ update: true })
  expect(ended.result).toBe('skipped')
  expect(ended.logs).toEqual(['warn: venv: skipped (the volume holds a newer generation)'])
  expect(read(join(volume, 'venv', 'file'))).toBe('two')
})

test('a copy carries the generation, and the next save from the volume is unchanged', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  await save()
  await copy()
  expect(await readRecord(join(volume, 'venv'))).toMatchObject({
    archive: 'comfyui/venv',
    generation: 1,
    complete: true,
  })
  rmSync(join(pod, 'venv'), { recursive: true })
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  expect(await save()).toMatchObject({
    result: 'unchanged',
    facts: { unchanged: ['venv'] },
  })
})

test('what was changed after the save and before the copy is saved from the volume later', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  await save()
  write(join(pod, 'venv', 'file'), 'two')
  await copy()
  rmSync(join(pod, 'venv'), { recursive: true })
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  expect(await save()).toMatchObject({ result: 'done', facts: { saved: ['venv'] } })
  expect(read(join(await restored(), 'file'))).toBe('two')
})

test('a copy that can’t be made fails by itself, and the save still happens', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  write(join(pod, '.cache', 'file'), 'two')
  // A file where the volume's `.berth` should be refuses the lease, also for root.
  write(join(volume, '.berth'))
  const { error } = await copy({ directories: ['venv', '.cache'] })
  expect({ code: error?.code, problems: error?.problems?.length }).toEqual({
    code: 'shared-data/copy-failed',
    problems: 2,
  })
  expect(await save({ directories: ['venv', '.cache'] })).toMatchObject({
    facts: { saved: ['venv', '.cache'] },
  })
  expect(read(join(await restored(), 'file'))).toBe('one')
})

test('a staged copy that a killed pod left is removed by the next, and nothing of a user’s', async () => {
  write(join(pod, 'venv', 'file'))
  write(join(volume, '.venv.berth-staging-0123456789abcdef', 'half'))
  write(join(volume, '..venv.berth-staging-0123456789abcdef.berth-copy-0123456789abcdef', 'half'))
  write(join(volume, '.venv.mine', 'file'))
  await copy()
  expect(leftovers()).toEqual(['.venv.mine'])
})

test('while another pod copies, this one leaves it to that', async () => {
  write(join(pod, 'venv', 'file'))
  const lease = await acquireLease({
    path: join(volume, '.berth', 'copy-venv.lease'),
    owner: 'pod-7',
    ttlMs: 10_000,
  })
  const ended = await copy()
  expect(ended).toMatchObject({ result: 'skipped', facts: { skipped: ['venv'] } })
  expect(ended.logs).toEqual(['info: venv: skipped (pod-7 is copying it)'])
  if (lease.state === 'held') await lease.release()
  expect((await copy()).result).toBe('done')
})

test('two pods that copy at once end with one complete copy', async () => {
  const count = 300
  const pods = ['a', 'b'].map((name) => {
    const from = join(root, `pod-${name}`)
    for (let file = 0; file < count; file++)
      write(join(from, 'venv', `${file % 7}`, `file-${file}`), name)
    return from
  })
  const results = await Promise.all(pods.map((from) => copyInProcess(from)))
  expect(results.filter((result) => result === 'done')).toHaveLength(1)
  const files = readdirSync(join(volume, 'venv'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.includes('file-'),
  )
  const contents = new Set(files.map((name) => read(join(volume, 'venv', name))))
  expect({ files: files.length, contents: contents.size }).toEqual({ files: count, contents: 1 })
  expect(leftovers()).toEqual([])
  expect(readdirSync(volume).filter((name) => name.includes('aside'))).toEqual([])
})

test('a copy that is killed leaves the place absent, and the next one completes it', async () => {
  for (let file = 0; file < 400; file++)
    write(join(pod, 'venv', `file-${file}`), 'x'.repeat(10_000))
  const child = execFile(process.execPath, scriptFor(pod))
  await expect.poll(() => leftovers().length, { interval: 2, timeout: 20_000 }).toBeGreaterThan(0)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  expect(existsSync(join(volume, 'venv'))).toBe(false)
  rmSync(join(volume, '.berth', 'copy-venv.lease'), { force: true })
  expect(await copy()).toMatchObject({ result: 'done', facts: { files: 400 } })
  expect(leftovers()).toEqual([])
})

function scriptFor(from: string): string[] {
  const inputs = JSON.stringify({ from, volume, directories: ['venv'] })
  const script = `
    import { runStep } from '@berth/core/testing'
    import { sharedData } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
    const { outcome } = await runStep(sharedData.steps.copy, ${inputs})
    process.stdout.write(outcome.result)`
  return ['--no-warnings', '--input-type=module', '-e', script]
}

async function copyInProcess(from: string): Promise<string> {
  return (await promisify(execFile)(process.execPath, scriptFor(from))).stdout
}

test('saves from the pod, and the second time there is nothing to do', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  expect(await save()).toMatchObject({
    result: 'done',
    facts: { saved: ['venv'], files: 1 },
  })
  expect(await save()).toMatchObject({
    result: 'unchanged',
    facts: { unchanged: ['venv'], bytes: 0 },
  })
  write(join(pod, 'venv', 'file'), 'two')
  await save()
  expect(read(join(await restored(), 'file'))).toBe('two')
})

test('what a user changed and removed in a restored directory is saved, and stays removed', async () => {
  for (const name of ['kept', 'changed', 'removed']) write(join(pod, 'venv', name, 'file'), 'one')
  await save()
  const place = dirname(await restored())
  write(join(place, 'venv', 'changed', 'file'), 'two')
  rmSync(join(place, 'venv', 'removed'), { recursive: true })
  expect(await save({ from: place })).toMatchObject({ facts: { saved: ['venv'], files: 1 } })
  const next = await restored()
  expect(readdirSync(next).toSorted()).toEqual(['changed', 'kept'])
  expect(read(join(next, 'changed', 'file'))).toBe('two')
})

test('saves from the volume where the directory is a link, and keeps the index there', async () => {
  write(join(volume, 'venv', 'file'), 'shared')
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  expect(await save()).toMatchObject({ result: 'done', facts: { saved: ['venv'] } })
  expect(read(join(await restored(), 'file'))).toBe('shared')
  expect(readdirSync(pod)).toEqual(['venv'])
  expect(await readRecord(join(volume, 'venv'))).toMatchObject({ generation: 1 })
})

test('under a short deadline a linked directory without an index is skipped and said; one with an index is saved', async () => {
  write(join(volume, 'venv', 'file'), 'one')
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  const deadline = Date.now() + 9000
  const first = await save({}, { deadline })
  expect(first).toMatchObject({ result: 'skipped', facts: { skipped: ['venv'] } })
  expect(first.logs[0]).toMatch(/^warn: venv: skipped \(it lies on the volume without an index/)
  await save()
  write(join(volume, 'venv', 'file'), 'two')
  expect(await save({}, { deadline })).toMatchObject({ facts: { saved: ['venv'] } })
})

test('of two pods with the same link only one saves at a time', async () => {
  write(join(volume, 'venv', 'file'), 'one')
  symlinkSync(join(volume, 'venv'), join(pod, 'venv'))
  const lease = await acquireLease({
    path: join(volume, '.berth', 'save-venv.lease'),
    owner: 'pod-7',
    ttlMs: 10_000,
  })
  const ended = await save()
  expect(ended.result).toBe('skipped')
  expect(ended.logs).toEqual(['warn: venv: skipped (pod-7 is saving it)'])
  if (lease.state === 'held') await lease.release()
  expect((await save()).result).toBe('done')
})

test('a missing directory is skipped and deletes nothing; a link that leads nowhere is an error', async () => {
  write(join(pod, 'venv', 'file'), 'one')
  await save()
  rmSync(join(pod, 'venv'), { recursive: true })
  expect(await save()).toMatchObject({ result: 'skipped', facts: { skipped: ['venv'] } })
  expect(await generation()).toBe(1)
  symlinkSync(join(root, 'gone'), join(pod, 'venv'))
  expect(await codeOf(save())).toBe('shared-data/broken-link')
  expect(await generation()).toBe(1)
})

test('one directory that fails is named, and the others are saved', async () => {
  symlinkSync(join(root, 'gone'), join(pod, 'venv'))
  write(join(pod, '.cache', 'file'), 'two')
  const { error } = await save({ directories: ['venv', '.cache'] })
  expect(error?.code).toBe('shared-data/save-failed')
  expect(error?.problems?.map(({ code }) => code)).toEqual(['shared-data/broken-link'])
  expect(error?.hint).toBe('cure each of them; `.cache` is saved')
  expect(read(join(await restored('.cache'), 'file'))).toBe('two')
})

test('when every directory fails none is said to be saved', async () => {
  symlinkSync(join(root, 'gone'), join(pod, 'venv'))
  symlinkSync(join(root, 'gone'), join(pod, '.cache'))
  const { error } = await save({ directories: ['venv', '.cache'] })
  expect(error?.hint).toBe('cure each of them; no directory is saved as a whole')
})

test('each name keeps its dots and slashes in the store', async () => {
  write(join(pod, '.cache', 'file'))
  write(join(pod, 'ComfyUI', 'custom_nodes', 'node', 'file'))
  await save({ directories: ['.cache', 'ComfyUI/custom_nodes'] })
  expect(await generation('.cache')).toBe(1)
  expect(await generation('ComfyUI/custom_nodes')).toBe(1)
})

test('a round while main runs compacts each archive that is worth it, and says which', async () => {
  const writeSome = (count: number) => {
    for (let index = 0; index < count; index++)
      writeFileSync(join(pod, 'venv', `f${index}`), randomBytes(1024 * 1024))
  }
  mkdirSync(join(pod, 'venv'), { recursive: true })
  mkdirSync(join(pod, 'small'), { recursive: true })
  const directories = ['venv', 'small']
  writeSome(6)
  await save({ directories })
  writeSome(4)
  await save({ directories })
  const round = { pipeline: 'shutdown', periodic: true } as const
  const off = await save({ directories, compact: false }, round)
  expect(off).toMatchObject({ result: 'unchanged' })
  expect(await save({ directories }, round)).toMatchObject({
    result: 'done',
    facts: {
      saved: [],
      unchanged: directories,
      compacted: [{ directory: 'venv', chunksBefore: 2, chunksAfter: 2 }],
    },
  })
  expect(await save({ directories }, round)).toMatchObject({ result: 'unchanged' })
})

test('what is excluded stays out', async () => {
  write(join(pod, 'venv', 'file'))
  write(join(pod, 'venv', 'big.tmp'))
  await save({ exclude: ['*.tmp'] })
  expect(readdirSync(await restored())).toEqual(['file'])
})

test('after a boot that was cut, what it did not reach never becomes the newest generation', async () => {
  const file = write(join(pod, 'venv', 'file'), 'of a user')
  await save()
  rmSync(pod, { recursive: true })
  write(file, 'of the image')
  const { result, logs } = await save({}, { wasUsed: false })
  expect(result).toBe('skipped')
  expect(logs).toEqual([
    'warn: venv: skipped (the boot ended before it was put in place, and comfyui/venv may hold newer files)',
  ])
  expect(await generation()).toBe(1)
  expect(await save({ archive: 'other' }, { wasUsed: false })).toMatchObject({ result: 'done' })
})

test('after a boot that was cut, what it did not reach is not what other pods find on the volume', async () => {
  write(join(pod, 'venv', 'file'), 'of the image')
  const { result, logs } = await copy({}, { wasUsed: false })
  expect(result).toBe('skipped')
  expect(logs[0]).toMatch(/^warn: venv: skipped \(the boot ended before it was put in place/)
  expect(existsSync(join(volume, 'venv'))).toBe(false)
  await save()
  expect(await copy({}, { wasUsed: false })).toMatchObject({ facts: { copied: ['venv'] } })
})

test('what Berth put in place in an earlier life is saved also after a boot that was cut', async () => {
  const file = write(join(pod, 'venv', 'file'), 'of a user')
  await save()
  write(file, 'of a user, before the pod was started again')
  expect(await save({}, { wasUsed: false })).toMatchObject({ facts: { saved: ['venv'] } })
  expect(await generation()).toBe(2)
})

test('without a store nothing is saved, and that is said', async () => {
  write(join(pod, 'venv', 'file'))
  expect(await save({ store: '' })).toMatchObject({
    result: 'skipped',
    reason: 'no store is configured: nothing was saved',
  })
})

test('plans say what would happen and write nothing', async () => {
  write(join(pod, 'venv', 'file'))
  write(join(volume, '.cache', 'file'))
  write(join(pod, '.cache', 'file'))
  const before = readdirSync(root, { recursive: true }).toSorted()
  const directories = ['venv', '.cache']
  expect(await planStep(copyStep, { from: pod, volume, directories })).toMatchObject({
    action: 'run',
    summary: 'venv: copy (the volume lacks it); .cache: unchanged (the volume already holds it)',
  })
  expect(
    await planStep(saveStep, { from: pod, store, archive: 'comfyui', directories }),
  ).toMatchObject({
    action: 'run',
    summary: 'save what changed in venv, .cache as comfyui/…',
  })
  expect(readdirSync(root, { recursive: true }).toSorted()).toEqual(before)
})

const mount = requirement('mount', mayMount())

mount('a volume that is too small is told before anything is written', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', volume])
  try {
    write(join(pod, 'venv', 'file'), 'x'.repeat(3_000_000))
    expect(await codeOf(copy())).toBe('filesystem/no-room')
    expect(leftovers()).toEqual([])
  } finally {
    execFileSync('umount', [volume])
  }
})
