import { existsSync, globSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { restoreTree, saveTree } from '@berth/archive'
import type { StepDefinition } from '@berth/core'
import { planStep, runStep, temporaryDirectory, type TestInputs } from '@berth/core/testing'
import { openStore, type ObjectStore } from '@berth/object-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { venvArchive } from './index.ts'

const step = venvArchive.steps.prune as unknown as StepDefinition
const HOUR_MS = 60 * 60 * 1000
const names = ['comfyui/venv', 'comfyui/nodes']

let root: string
let store: ObjectStore

beforeEach(async () => {
  root = await temporaryDirectory()
  store = await openStore(`file://${root}/store`, { env: {} })
  for (const name of names) for (const text of ['one', 'two', 'three']) await save(name, text)
})

afterEach(() => store.close())

async function save(name: string, text: string): Promise<void> {
  mkdirSync(join(root, name), { recursive: true })
  writeFileSync(join(root, name, 'file'), `${name} ${text}`)
  await saveTree({ store, name, directory: join(root, name) })
}

const inputs = { archive: '', 'keep-last': 1, 'keep-daily': 0 }

async function prune(given: TestInputs = {}, deadline?: number) {
  const all = { store: `file://${root}/store`, ...inputs, ...given }
  const { outcome } = await runStep(step, all, deadline === undefined ? {} : { deadline })
  return outcome
}

const plan = async (given: TestInputs = {}): Promise<string> => {
  const { action, summary } = await planStep(step, { store: store.url, ...inputs, ...given })
  return `${action}: ${summary.replace(store.url, 'STORE')}`
}

/** As if all that the store holds had been put so much earlier. */
function age(ms: number): void {
  for (const path of globSync('store/**', { cwd: root })) {
    const at = join(root, path)
    const seconds = (statSync(at).mtimeMs - ms) / 1000
    if (statSync(at).isFile()) utimesSync(at, seconds, seconds)
  }
}

function objects(folder: string): number {
  return globSync(`store/${folder}/**`, { cwd: root }).filter((path) =>
    statSync(join(root, path)).isFile(),
  ).length
}

async function restored(name: string): Promise<void> {
  const directory = join(root, 'restored', name)
  await restoreTree({ store, name, directory })
  expect(existsSync(join(directory, 'file'))).toBe(true)
}

test('keeps what the retention says, and frees the room of the rest when its grace is over', async () => {
  expect(await plan()).toBe(
    'run: in STORE remove 0 objects and 0 snapshots, and mark 0 objects and 4 snapshots',
  )
  expect(await prune()).toMatchObject({ result: 'done', facts: { snapshots: 0, marked: 4 } })
  const waiting = await prune()
  expect(waiting).toMatchObject({ result: 'unchanged', facts: { snapshots: 0 } })
  expect(await plan()).toMatch(/^unchanged: what is marked in STORE waits until 20/)
  age(25 * HOUR_MS)
  expect(await prune()).toMatchObject({ result: 'done', facts: { snapshots: 4, next: /^20/ } })
  for (let round = 0; objects('chunks') > names.length; round++) {
    expect(round).toBeLessThan(3)
    age(25 * HOUR_MS)
    await prune()
  }
  for (const name of names) await restored(name)
})

test('forgets snapshots of the archive that is named only, and nothing where there is none of the name', async () => {
  expect(await prune({ archive: 'comfyui/nodes' })).toMatchObject({ facts: { marked: 2 } })
  expect(await prune({ archive: 'comfyui' })).toMatchObject({
    result: 'skipped',
    reason: 'the store has no archive comfyui',
  })
})

test('waits for the first save where there is no store yet', async () => {
  expect(await prune({ store: `file://${root}-none`, archive: '' })).toMatchObject({
    result: 'skipped',
    reason: `there is no store at file://${root}-none yet`,
  })
  expect(existsSync(`${root}-none`)).toBe(false)
})

test('waits as long as it is told', async () => {
  await prune({ grace: '3d' })
  age(71 * HOUR_MS)
  expect(await prune({ grace: '3d' })).toMatchObject({ result: 'unchanged' })
  age(2 * HOUR_MS)
  expect(await prune({ grace: '3d' })).toMatchObject({ facts: { snapshots: 4 } })
})

test('leaves a pod that is about to stop all of its time', async () => {
  expect(await prune({}, Date.now() + 8000)).toMatchObject({
    result: 'skipped',
    facts: { marked: 0 },
  })
  expect(objects('prune')).toBe(0)
})
