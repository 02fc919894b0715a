import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { networkVolume } from './index.ts'
import { planStep, runStep, type TestRun } from './test-step.ts'

let root: string
let volume: string

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'berth-volume-')))
  volume = join(root, 'volume')
  mkdirSync(volume)
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

function detect(candidates?: string[], env: Record<string, string> = {}): Promise<TestRun> {
  return runStep(networkVolume, 'detect', candidates === undefined ? {} : { candidates }, {
    env,
    workingDirectory: root,
  })
}

test('finds a directory that can be written, renamed and linked in, and leaves nothing there', async () => {
  const { outcome } = await detect([volume])
  expect(outcome).toMatchObject({
    result: 'unchanged',
    facts: { present: true, path: volume, refused: [] },
  })
  expect(outcome.facts['freeBytes']).toBeGreaterThan(0)
  expect(readdirSync(volume)).toEqual([])
})

test('a relative candidate starts at the working directory', async () => {
  expect((await detect(['volume'])).outcome.facts['path']).toBe(volume)
})

test.each([[[]], [['']], [['', ' ']]])(
  'no candidate, %j, is no volume and no error',
  async (candidates) => {
    const { outcome, logs } = await detect(candidates)
    expect(outcome).toEqual({
      result: 'skipped',
      reason: 'no volume is configured',
      facts: { present: false, path: '', freeBytes: 0, type: '', refused: [] },
    })
    expect(logs).toEqual([])
  },
)

test('takes the first that is usable and says why the others are not', async () => {
  writeFileSync(join(root, 'file'), '')
  const { outcome, logs } = await detect([join(root, 'absent'), join(root, 'file'), volume])
  expect(outcome.facts).toMatchObject({
    path: volume,
    refused: [
      { path: join(root, 'absent'), code: 'filesystem/absent', reason: 'it does not exist' },
      {
        path: join(root, 'file'),
        code: 'filesystem/not-a-directory',
        reason: 'it is not a directory',
      },
    ],
  })
  expect(logs.slice(0, 2)).toEqual([
    `warn: ${root}/absent is not used: it does not exist`,
    `warn: ${root}/file is not used: it is not a directory`,
  ])
})

test.each(['/', '/usr', '/proc'])('%s is never a volume', async (path) => {
  const { outcome } = await detect([path])
  expect(outcome).toMatchObject({ result: 'skipped', facts: { present: false } })
})

test.skipIf(process.getuid?.() === 0)(
  'a directory that may not be written is refused',
  async () => {
    chmodSync(volume, 0o555)
    expect((await detect([volume])).outcome.facts['refused']).toMatchObject([
      { code: 'filesystem/not-writable' },
    ])
  },
)

const mayMount = process.getuid?.() === 0 && tryMount()

function tryMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'berth-mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'none', probe], { stdio: 'ignore' })
    execFileSync('umount', [probe])
    return true
  } catch {
    return false
  } finally {
    rmSync(probe, { recursive: true })
  }
}

test.skipIf(!mayMount)(
  'a volume that is mounted read-only is refused, one of its own is not',
  async () => {
    execFileSync('mount', ['-t', 'tmpfs', 'none', volume])
    try {
      const { outcome, logs } = await detect([volume])
      expect(outcome.facts).toMatchObject({ path: volume, type: 'tmpfs' })
      expect(logs).toEqual([])
      execFileSync('mount', ['-o', 'remount,ro', volume])
      expect((await detect([volume])).outcome.facts['refused']).toEqual([
        { path: volume, code: 'filesystem/read-only', reason: 'it is mounted read-only' },
      ])
    } finally {
      execFileSync('umount', [volume])
    }
  },
)

test('tries the usual places of the platform only where no candidates are given', async () => {
  const runPod = { RUNPOD_POD_ID: 'abc' }
  const { outcome } = await detect(undefined, runPod)
  expect(outcome.facts['refused']).toMatchObject([{ path: '/runpod-volume' }])
  expect((await detect([''], runPod)).outcome.facts['refused']).toEqual([])
})

test('a plan looks without writing', async () => {
  chmodSync(volume, 0o755)
  const plan = await planStep(networkVolume, 'detect', { candidates: [volume] })
  expect(plan).toMatchObject({ action: 'unchanged', facts: { present: true, path: volume } })
  expect(readdirSync(root, { recursive: true })).toEqual(['volume'])
  expect(
    await planStep(networkVolume, 'detect', { candidates: [join(root, 'absent')] }),
  ).toMatchObject({
    action: 'skipped',
    summary: `${root}/absent is not used: it does not exist`,
  })
})
