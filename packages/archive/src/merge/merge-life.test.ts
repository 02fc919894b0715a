import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { startStubS3 } from '@berth/object-store/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { manifestKey } from '../format/format.ts'
import { listSnapshots, readRecord, restoreTree, saveTree, verifyArchive } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/data'

async function setUp(pods = ['one', 'two']) {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const first = join(base, 'first', 'data')
  mkdirSync(join(first, 'custom_nodes', 'baked'), { recursive: true })
  for (const path of ['a', 'b', 'c', 'd', 'custom_nodes/baked/x.py'])
    writeFileSync(join(first, path), `${path} of the first`)
  await saveTree({ store, name, directory: first, pod: 'first' })
  const at = (pod: string) => join(base, pod, 'data')
  for (const pod of pods) await restoreTree({ store, name, directory: at(pod) })
  tick()
  const save = (pod: string) => saveTree({ store, name, directory: at(pod), pod })
  const write = (pod: string, path: string, text = `${path} of ${pod}`) => {
    mkdirSync(join(at(pod), path, '..'), { recursive: true })
    writeFileSync(join(at(pod), path), text)
  }
  const remove = (pod: string, path: string) => rmSync(join(at(pod), path), { recursive: true })
  const readNewest = async (snapshot?: string) => {
    const directory = join(newDirectory(), 'data')
    await restoreTree({ store, name, directory, at: snapshot })
    return readContent(directory)
  }
  return { base, store, at, save, write, remove, readNewest }
}

function readContent(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
  const files = paths.filter((entry) => entry.isFile())
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

test('further saves of both pods neither bring back nor drop what the other did', async () => {
  const { store, at, save, write, remove, readNewest } = await setUp()
  write('one', 'by-one')
  remove('one', 'a')
  expect(await save('one')).toMatchObject({ generation: 2, sibling: false })
  write('two', 'by-two')
  remove('two', 'b')
  expect(await save('two')).toMatchObject({ generation: 3, sibling: false, conflicts: 0 })
  const both = ['by-one', 'by-two', 'c', 'custom_nodes/baked/x.py', 'd']
  expect(Object.keys(await readNewest())).toEqual(both)
  // The directories are what they were, and the records say so.
  expect(readdirSync(at('two')).toSorted()).toEqual(['a', 'by-two', 'c', 'custom_nodes', 'd'])
  expect(await readRecord(at('two'))).toMatchObject({ generation: 1, snapshot: '00000003' })
  expect(await save('two')).toMatchObject({ result: 'unchanged' })
  expect(await save('one')).toMatchObject({ result: 'unchanged' })
  for (const round of [1, 2, 3]) {
    for (const pod of ['two', 'one']) {
      tick()
      write(pod, `by-${pod}-${round}`)
      expect(await save(pod)).toMatchObject({ sibling: false, conflicts: 0 })
    }
  }
  tick()
  // Each takes back its own.
  remove('one', 'by-one')
  remove('two', 'by-two-1')
  await save('one')
  await save('two')
  const rest = ['by-one-1', 'by-one-2', 'by-one-3', 'by-two', 'by-two-2', 'by-two-3']
  expect(Object.keys(await readNewest())).toEqual([
    ...rest,
    ...both.filter((path) => !path.startsWith('by-')),
  ])
  expect((await listSnapshots(store, name)).filter(({ sibling }) => sibling)).toEqual([])
  expect((await verifyArchive({ store, name })).problems).toEqual([])
  // A pod that starts now has all of it, and goes on from there as one does.
  await restoreTree({ store, name, directory: at('three') })
  tick()
  write('three', 'by-three')
  const saved = await save('three')
  expect(saved).toMatchObject({ result: 'saved', sibling: false })
  expect(saved).not.toHaveProperty('conflicts')
})

test('brings back what the other has removed where it was changed here', async () => {
  const { save, write, remove, readNewest } = await setUp()
  write('one', 'by-one')
  await save('one')
  write('two', 'by-two')
  await save('two')
  tick()
  remove('one', 'custom_nodes')
  remove('one', 'c')
  await save('one')
  expect(await readNewest()).not.toHaveProperty('c')
  tick()
  write('two', 'c', 'changed')
  // Its other files are of a chunk that no snapshot of the others needs any more.
  write('two', 'custom_nodes/baked/new.py')
  expect(await save('two')).toMatchObject({ sibling: false })
  expect(await readNewest()).toEqual({
    'by-one': 'by-one of one',
    'by-two': 'by-two of two',
    a: 'a of the first',
    b: 'b of the first',
    c: 'changed',
    'custom_nodes/baked/new.py': 'custom_nodes/baked/new.py of two',
    'custom_nodes/baked/x.py': 'custom_nodes/baked/x.py of the first',
    d: 'd of the first',
  })
})

test('keeps the other’s custom node beside the history, and names where an older file is', async () => {
  const { store, at, save, write, readNewest } = await setUp()
  for (const pod of ['one', 'two']) {
    write(pod, 'custom_nodes/baked/x.py')
    write(pod, 'a')
  }
  await save('one')
  const notes: string[] = []
  const saved = await saveTree({
    store,
    name,
    directory: at('two'),
    onNote: (level, text) => notes.push(`${level} ${text}`),
  })
  expect(saved).toMatchObject({ generation: 3, sibling: false, conflicts: 2 })
  const beside = (await listSnapshots(store, name)).filter(({ sibling }) => sibling)
  expect(beside).toMatchObject([{ generation: 2, pod: 'one' }])
  expect(notes).toEqual([
    'info another pod had saved `pods/data` meanwhile: both pods’ changes are in 00000003',
    expect.stringContaining(`warn \`custom_nodes/baked\` was changed here and by another pod`),
    expect.stringMatching(/^info .*`a`; the other’s are in `00000002`/),
  ])
  expect(notes[1]).toContain(beside[0]?.name)
  expect(await readNewest()).toMatchObject({
    a: 'a of two',
    'custom_nodes/baked/x.py': 'custom_nodes/baked/x.py of two',
  })
  // The generation that holds the tree, though the directory was restored from the first.
  expect(await save('two')).toMatchObject({ result: 'unchanged', generation: 3 })
  for (const snapshot of ['00000002', beside[0]?.name])
    expect(await readNewest(snapshot)).toMatchObject({
      a: 'a of one',
      'custom_nodes/baked/x.py': 'custom_nodes/baked/x.py of one',
    })
})

test('never mixes venvs: the second stays beside the history until it changes again', async () => {
  const { store, at, save, write, readNewest } = await setUp()
  for (const pod of ['one', 'two']) {
    write(pod, 'venv/pyvenv.cfg', 'home = /usr/bin')
    write(pod, `venv/lib/python3.11/site-packages/${pod}/__init__.py`)
    write(pod, `by-${pod}`)
  }
  await save('one')
  expect(await save('two')).toMatchObject({ sibling: false, conflicts: 1 })
  const newest = await readNewest()
  expect(Object.keys(newest).filter((path) => /one|two/.test(path))).toEqual([
    'by-one',
    'by-two',
    'venv/lib/python3.11/site-packages/one/__init__.py',
  ])
  const siblings = async () =>
    (await listSnapshots(store, name)).filter(({ sibling }) => sibling).map((info) => info.name)
  const [beside] = await siblings()
  expect(await readNewest(beside)).toEqual(readContent(at('two')))
  expect(await save('two')).toMatchObject({ result: 'unchanged' })
  tick()
  write('two', 'more')
  expect(await save('two')).toMatchObject({ sibling: false, conflicts: 0 })
  expect(await siblings()).toEqual([beside])
  tick()
  write('two', 'venv/lib/python3.11/site-packages/more/__init__.py')
  expect(await save('two')).toMatchObject({ sibling: true, conflicts: 1 })
  expect(await siblings()).toHaveLength(2)
  expect(await readNewest()).toEqual({ ...newest, more: 'more of two' })
})

test('a tree that lost more than half stays beside the history, which goes on, until that is accepted', async () => {
  const { store, at, save, write, remove, readNewest } = await setUp()
  for (const path of ['a', 'b', 'c', 'custom_nodes']) remove('two', path)
  expect(await save('two')).toMatchObject({ sibling: true, deleted: 4 })
  write('one', 'by-one')
  await save('one')
  expect(await save('two')).toMatchObject({ result: 'unchanged' })
  tick()
  write('two', 'by-two')
  expect(await save('two')).toMatchObject({ sibling: true })
  expect(await readNewest()).not.toHaveProperty('by-two')
  expect(await saveTree({ store, name, directory: at('two'), acceptVanished: true })).toMatchObject(
    { sibling: false, conflicts: 0 },
  )
  expect(Object.keys(await readNewest())).toEqual(['by-one', 'by-two', 'd'])
})

test('merges the first saves of an archive that did not exist', async () => {
  const server = await startStubS3()
  try {
    const base = newDirectory()
    const pods = ['one', 'two', 'three']
    const results = await Promise.all(
      pods.map(async (pod) => {
        const directory = join(base, pod, 'data')
        mkdirSync(directory, { recursive: true })
        writeFileSync(join(directory, pod), pod)
        const store = await openStore(server.url, { env: server.env })
        return saveTree({ store, name, directory, pod })
      }),
    )
    expect(results.map((result) => 'sibling' in result && result.sibling)).toEqual([
      false,
      false,
      false,
    ])
    const store = await openStore(server.url, { env: server.env })
    await restoreTree({ store, name, directory: join(base, 'back', 'data') })
    expect(readdirSync(join(base, 'back', 'data'))).toEqual(['one', 'three', 'two'])
  } finally {
    await server.close()
  }
})

test('a merge that is killed right behind its commit is known again', async () => {
  const { base, store, at, save, write, remove, readNewest } = await setUp()
  write('one', 'by-one')
  remove('one', 'a')
  await save('one')
  write('two', 'by-two')
  const key = manifestKey(name, '00000003')
  const dying: typeof store = Object.create(store) as typeof store
  Object.assign(dying, {
    put: async (...request: Parameters<typeof store.put>) => {
      const result = await store.put(...request)
      if (request[0] === key) await new Promise(() => {})
      return result
    },
  })
  void saveTree({ store: dying, name, directory: at('two') }).catch(() => undefined)
  while ((await store.head(key)) === undefined) await new Promise((go) => setTimeout(go, 20))
  // Another process would not share this one's lock.
  for (const clone of ['same', 'blind'])
    cpSync(join(base, 'two'), join(base, clone), { recursive: true, preserveTimestamps: true })
  const state = join(base, 'blind', '.berth', 'trees', 'data')
  for (const file of readdirSync(state)) if (file.startsWith('local-')) rmSync(join(state, file))
  tick()
  remove('same', 'b')
  expect(await save('same')).toMatchObject({ sibling: false, conflicts: 0, additive: false })
  const both = ['by-one', 'by-two', 'c', 'custom_nodes/baked/x.py', 'd']
  expect(Object.keys(await readNewest())).toEqual(both)
  expect(readdirSync(join(base, 'same', '.berth', 'trees', 'data')).toSorted()).toEqual([
    'clock',
    expect.stringMatching(/^index-/),
    'record.json',
  ])
  // One that does not know what was whose takes nothing for deleted.
  write('blind', 'by-blind')
  expect(await save('blind')).toMatchObject({ sibling: false, additive: true })
  expect(Object.keys(await readNewest())).toEqual(
    expect.arrayContaining(['by-blind', 'by-one', 'by-two', 'c', 'd']),
  )
})

const PATHS = ['a', 'b', 'e', 'custom_nodes/n/x', 'custom_nodes/n/y', 'custom_nodes/m/x']
const PODS = ['one', 'two', 'three']
const change = fc.record({
  pod: fc.constantFrom(...PODS),
  edits: fc.array(fc.tuple(fc.constantFrom(...PATHS), fc.boolean()), { maxLength: 3 }),
})

test('whatever three pods save in turn, each finds its own, and nothing that is gone comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 2, maxLength: 6 }), async (changes) => {
      const { base, store, save, write, remove, at, readNewest } = await setUp(PODS)
      // More than enough that no removal is more than half.
      const filler = Array.from({ length: 12 }, (_, index) => `z${index}`)
      let serial = 0
      for (const { pod, edits } of changes) {
        const before = await readNewest()
        const local = readContent(at(pod))
        tick()
        const touched = new Set<string>(edits.map(([path]) => path))
        for (const [path, isWritten] of edits) {
          if (isWritten) write(pod, path, `${serial++}`)
          else if (existsSync(join(at(pod), path))) remove(pod, path)
        }
        for (const path of serial === 0 ? [] : filler) if (!(path in local)) write(pod, path, path)
        const saved = await save(pod)
        if ('sibling' in saved && saved.sibling) continue
        const after = await readNewest()
        const now = readContent(at(pod))
        const unitOf = (path: string) => /^custom_nodes\/./.exec(path)?.[0] ?? path
        const units = new Set([...touched].map(unitOf))
        for (const path of PATHS) {
          const isMine = now[path] !== local[path]
          // What was written now is there.
          if (isMine && now[path] !== undefined) expect(after[path]).toBe(now[path])
          // What was not touched is as the others left it.
          if (!units.has(unitOf(path))) expect([path, after[path]]).toEqual([path, before[path]])
        }
      }
      expect((await verifyArchive({ store, name })).problems).toEqual([])
      execFileSync('rm', ['-r', base])
    }),
    { numRuns: 4 },
  )
}, 240_000)

test('the tree of a merge comes back with all that a manifest holds', async () => {
  const { at, store, save, write } = await setUp()
  execFileSync('sh', ['-c', 'ln b hard; ln -s nowhere soft; mkdir -m 700 empty; chmod 755 c'], {
    cwd: at('two'),
  })
  write('one', 'by-one')
  await save('one')
  await save('two')
  const directory = join(newDirectory(), 'data')
  await restoreTree({ store, name, directory })
  const own = describeTree(at('two')).slice(1)
  expect(describeTree(directory)).toEqual(expect.arrayContaining(own))
})

test('a boot says what lies beside the history, once for each, and nothing that the history has', async () => {
  const { store, save, write } = await setUp(['one', 'two', 'three'])
  for (const pod of ['one', 'two', 'three']) {
    write(pod, 'venv/pyvenv.cfg', 'home = /usr/bin')
    write(pod, `venv/lib/python3.11/site-packages/${pod}-1.0.dist-info/RECORD`)
    write(pod, 'custom_nodes/baked/x.py')
    await save(pod)
  }
  const hear = async (directory: string) => {
    const notes: string[] = []
    const onNote = (level: string, text: string) => void notes.push(`${level} ${text}`)
    await restoreTree({ store, name, directory, onNote })
    return notes
  }
  const directory = join(newDirectory(), 'data')
  const line = (pod: string, what: string, at: number) =>
    `warn \`pods/data\` has a snapshot of pod \`${pod}\` of DATE beside its history, which was not restored: it holds ${what}; \`berth archive restore DIRECTORY --name pods/data --store ${store.url} --at 0000000${at}~ID\` takes it out`
  const notes = (await hear(directory)).map((note) =>
    note.replace(/\d+-[-0-9 :]+ UTC/, 'DATE').replace(/~[0-9a-f]+/, '~ID'),
  )
  expect(notes.length).toBeGreaterThanOrEqual(3)
  expect(notes[0]).toBe(line('three', '`venv` with three-1.0', 4))
  // The second pod's tree lies there as it saved it and as it went into the history: the ids decide which is told first.
  const [whole, nodes, venv] = [
    '`venv` with two-1.0, `custom_nodes/baked`',
    '`custom_nodes/baked`',
    '`venv` with two-1.0',
  ]
  if (notes[1] === line('two', whole, 3)) expect(notes[2]).toBe(line('one', nodes, 2))
  else expect(notes.slice(1, 2)).toEqual([line('two', nodes, 3)])
  expect(notes.some((note) => note.includes(venv))).toBe(true)
  expect(await hear(directory)).toEqual([])
})
