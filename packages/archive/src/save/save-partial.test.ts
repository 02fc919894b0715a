import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listSnapshots } from '../snapshots/list-snapshots.ts'
import { restoreTree } from '../restore/restore.ts'
import { saveTree } from './save.ts'
import { describeTree, newFastDirectory, tick } from '../testing.ts'

const name = 'comfyui/ComfyUI/custom_nodes'
const BUDGET_MS = 4000
/** Of such a size that it goes into a chunk of its own, and does not get through in time. */
const LARGE = 5_000_000

let root: string
let store: ObjectStore
/** The same, but large chunks are on their way for ever. */
let slow: ObjectStore

beforeEach(async () => {
  root = newFastDirectory()
  store = await openStore(`file://${root}/store`, { env: {} })
  slow = Object.create(store, { put: { value: putSlowly } }) as ObjectStore
  write('one', 'n1/__init__.py', 'first')
  await saveTree({ store, name, directory: at('one') })
  tick()
})

afterEach(async () => {
  await store.close()
  rmSync(root, { recursive: true, force: true })
})

const putSlowly: ObjectStore['put'] = async (key, body, options) => {
  if (key.startsWith('chunks/') && body.length > 1_000_000) await aborted(options?.signal)
  return store.put(key, body, options)
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal?.reason as Error)
    if (signal?.aborted === true) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

function at(pod: string): string {
  return join(root, pod, 'custom_nodes')
}

function write(pod: string, path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(at(pod), path)), { recursive: true })
  writeFileSync(join(at(pod), path), content)
}

/** Nodes with a small file at the top and a large one below, which must not be parted. */
function writeNodes(pod: string, nodes: readonly string[]): void {
  for (const node of nodes) {
    write(pod, `${node}/__init__.py`, `of ${node}`)
    write(pod, `${node}/a/deep/weights`, randomBytes(LARGE))
  }
}

function saveInTime(pod: string, notes: string[] = []) {
  return saveTree({
    store: slow,
    name,
    directory: at(pod),
    deadline: Date.now() + BUDGET_MS,
    onNote: (_, text) => void notes.push(text),
  })
}

async function restored(pod: string, notes: string[] = []): Promise<string[]> {
  const onNote = (level: string, text: string) => void notes.push(`${level} ${text}`)
  await restoreTree({ store, name, directory: at(pod), onNote })
  return describeTree(at(pod))
}

const lateOf = async () =>
  (await listSnapshots(store, name)).filter(({ beside }) => !beside).map(({ late }) => late)

test('a tree of custom nodes is saved node by node, and says what it is without until a save is complete', async () => {
  writeNodes('one', ['n4', 'n5'])
  write('one', 'n2/a/deep/small.py', 'small')
  const notes: string[] = []
  const saved = await saveInTime('one', notes)
  expect(saved).toMatchObject({ result: 'partial', late: [{ path: 'n4' }, { path: 'n5' }] })
  // How many files of them had been sent in vain is a matter of time.
  expect(notes.map((note) => note.replace(/\d new/, 'N new'))).toEqual([
    `there was no time to save \`n4\` and \`n5\` (N new or changed files, 9.5 MiB): \`${name}\` keeps of that what it had, and the next save sends it`,
  ])
  expect(await lateOf()).toEqual([['n4', 'n5'], []])
  const heard: string[] = []
  expect((await restored('two', heard)).filter((line) => /n[45]/.test(line))).toEqual([])
  expect(readdirSync(at('two'))).toEqual(['n1', 'n2'])
  expect(heard).toEqual([
    `warn \`${name}\` 00000002 is partial: its save had no time for \`n4\` and \`n5\`, of which it has what was saved before, if anything`,
  ])
  expect(await saveTree({ store, name, directory: at('one') })).toMatchObject({ result: 'saved' })
  expect(await lateOf()).toEqual([[], ['n4', 'n5'], []])
  expect(await restored('three', heard)).toEqual(describeTree(at('one')))
  expect(heard).toHaveLength(1)
}, 60_000)

test('an unchanged save after a partial one puts nothing', async () => {
  writeNodes('one', ['n4'])
  write('one', 'n2/small.py', 'small')
  await saveInTime('one')
  rmSync(join(at('one'), 'n4'), { recursive: true })
  expect(await saveTree({ store, name, directory: at('one') })).toMatchObject({
    result: 'unchanged',
    generation: 2,
  })
}, 60_000)

test('what another pod merges stays partial until the late nodes come, and that is no conflict', async () => {
  await restored('two')
  writeNodes('one', ['n4'])
  write('one', 'n2/small.py', 'small')
  await saveInTime('one')
  write('two', 'n3/small.py', 'small')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({ conflicts: 0 })
  expect((await lateOf())[0]).toEqual(['n4'])
  expect(await saveTree({ store, name, directory: at('one') })).toMatchObject({ conflicts: 0 })
  expect((await lateOf())[0]).toEqual([])
  const nodes = (await restored('three')).filter((line) => /^\.\/n\d /.test(line))
  expect(nodes.map((line) => line.slice(2, 4))).toEqual(['n1', 'n2', 'n3', 'n4'])
}, 60_000)
