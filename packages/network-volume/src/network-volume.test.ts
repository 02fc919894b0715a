import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StepDefinition } from '@berth/core'
import {
  mayMount,
  planStep,
  requirement,
  runStep,
  temporaryDirectory,
  testPlugin,
} from '@berth/core/testing'
import { beforeEach, expect, test } from 'vitest'
import { networkVolume } from './index.ts'

const unprivileged = requirement(
  'unprivileged',
  process.getuid?.() !== 0 || 'root may write everywhere',
)
const step = networkVolume.steps['detect'] as StepDefinition

let root: string
let volume: string

beforeEach(async () => {
  root = await temporaryDirectory()
  volume = join(root, 'volume')
  mkdirSync(volume)
})

async function detect(candidates?: string[], env: Record<string, string> = {}) {
  const inputs = candidates === undefined ? {} : { candidates }
  const { outcome, events } = await runStep(step, inputs, { env, workingDirectory: root })
  const logs = events.flatMap((event) =>
    event.type === 'step:log' ? [`${event.level}: ${event.text}`] : [],
  )
  return { outcome, facts: outcome.facts ?? {}, logs }
}

testPlugin(networkVolume, {
  detect: {
    prepare: (directory) => {
      mkdirSync(join(directory, 'volume'))
      return { inputs: { candidates: ['', 'absent', 'volume'] } }
    },
    first: 'unchanged',
    bad: {
      'a text instead of a list': { candidates: '/volume' },
      'a number in the list': { candidates: [1] },
      'an unknown input': { candidate: '/volume' },
    },
  },
})

test('finds a directory that can be written, renamed and linked in, and leaves nothing there', async () => {
  const { outcome, facts } = await detect([volume])
  expect(outcome).toMatchObject({
    result: 'unchanged',
    facts: { present: true, path: volume, refused: [] },
  })
  expect(facts['freeBytes']).toBeGreaterThan(0)
  expect(readdirSync(volume)).toEqual([])
})

test('a relative candidate starts at the working directory', async () => {
  expect((await detect(['volume'])).facts['path']).toBe(volume)
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
  const { facts, logs } = await detect([join(root, 'absent'), join(root, 'file'), volume])
  expect(facts).toMatchObject({
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

unprivileged('a directory that may not be written is refused', async () => {
  chmodSync(volume, 0o555)
  expect((await detect([volume])).facts['refused']).toMatchObject([
    { code: 'filesystem/not-writable' },
  ])
})

const mount = requirement('mount', mayMount())

mount('a volume that is mounted read-only is refused, one of its own is not', async () => {
  execFileSync('mount', ['-t', 'tmpfs', 'none', volume])
  try {
    const { outcome, logs } = await detect([volume])
    expect(outcome.facts).toMatchObject({ path: volume, type: 'tmpfs' })
    expect(logs).toEqual([])
    execFileSync('mount', ['-o', 'remount,ro', volume])
    expect((await detect([volume])).facts['refused']).toEqual([
      { path: volume, code: 'filesystem/read-only', reason: 'it is mounted read-only' },
    ])
  } finally {
    execFileSync('umount', [volume])
  }
})

test('tries the usual places of the platform only where no candidates are given', async () => {
  const runPod = { RUNPOD_POD_ID: 'abc' }
  const { facts } = await detect(undefined, runPod)
  expect(facts['refused']).toMatchObject([{ path: '/runpod-volume' }])
  expect((await detect([''], runPod)).facts['refused']).toEqual([])
})

test('a plan looks without writing', async () => {
  chmodSync(volume, 0o755)
  const plan = await planStep(step, { candidates: [volume] })
  expect(plan).toMatchObject({ action: 'unchanged', facts: { present: true, path: volume } })
  expect(readdirSync(root, { recursive: true })).toEqual(['volume'])
  expect(await planStep(step, { candidates: [join(root, 'absent')] })).toMatchObject({
    action: 'skipped',
    summary: `${root}/absent is not used: it does not exist`,
  })
})
