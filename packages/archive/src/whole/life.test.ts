import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import {
  copyRecord,
  latestGeneration,
  listArchives,
  listSnapshots,
  readRecord,
  restoreTree,
  saveTree,
} from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'

async function setUp() {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const directory = join(base, 'one', 'nodes')
  mkdirSync(join(directory, 'a'), { recursive: true })
  for (let index = 0; index < 10; index++)
    writeFileSync(join(directory, 'a', `f${index}`), `content ${index}`)
  await saveTree({ store, name, directory, pod: 'one' })
  return { base, store, directory, at: (pod: string) => join(base, pod, 'nodes') }
}

test('keeps what a user changed in a restored directory, and saves it', async () => {
  const { store, at } = await setUp()
  await restoreTree({ store, name, directory: at('two') })
  tick()
  appendFileSync(join(at('two'), 'a', 'f1'), ' changed')
  expect(await restoreTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'kept',
    generation: 1,
  })
  expect(readFileSync(join(at('two'), 'a', 'f1'), 'utf8')).toBe('content 1 changed')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'saved',
    generation: 2,
    changed: 1,
    uploadedChunks: 1,
  })
})

test('sees an edit that keeps size and mtime', async () => {
  const { store, at } = await setUp()
  await restoreTree({ store, name, directory: at('two') })
  tick()
  const path = join(at('two'), 'a', 'f1')
  const { utimesSync, statSync } = await import('node:fs')
  const before = statSync(path)
  writeFileSync(path, 'CONTENT 1')
  utimesSync(path, before.atime, before.mtime)
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'saved',
    generation: 2,
    changed: 1,
  })
})

test('renames a directory aside that is not its own', async () => {
  const { store, at } = await setUp()
  mkdirSync(at('two'), { recursive: true })
  writeFileSync(join(at('two'), 'mine'), 'precious')
  const restored = await restoreTree({ store, name, directory: at('two') })
  expect(restored).toMatchObject({ result: 'restored' })
  const aside = 'aside' in restored ? (restored.aside ?? '') : ''
  expect(readFileSync(join(aside, 'mine'), 'utf8')).toBe('precious')
  await expect(
    restoreTree({ store, name, directory: aside, existing: 'fail' }),
  ).rejects.toMatchObject({ code: 'archive/existing' })
  expect(await restoreTree({ store, name, directory: aside, existing: 'keep' })).toMatchObject({
    result: 'kept',
  })
})

test('takes the place of an empty directory, and renames a file or a foreign link aside', async () => {
  const { base, store, at } = await setUp()
  mkdirSync(at('empty'), { recursive: true })
  expect(await restoreTree({ store, name, directory: at('empty') })).not.toHaveProperty('aside')
  mkdirSync(join(base, 'file'))
  writeFileSync(at('file'), 'text')
  const overFile = await restoreTree({ store, name, directory: at('file') })
  expect(readFileSync('aside' in overFile ? (overFile.aside ?? '') : '', 'utf8')).toBe('text')
  mkdirSync(join(base, 'link'))
  symlinkSync('/somewhere/else', at('link'))
  expect(await restoreTree({ store, name, directory: at('link') })).toHaveProperty('aside')
  for (const pod of ['empty', 'file', 'link'])
    expect(existsSync(join(at(pod), 'a', 'f9'))).toBe(true)
})

test('answers absent for an archive that is not there, and leaves no trace that would refuse a save', async () => {
  const { base, store, at } = await setUp()
  expect(await restoreTree({ store, name: 'pods/other', directory: at('two') })).toEqual({
    result: 'absent',
  })
  const nested = join(base, 'nope', 'deep', 'x')
  await restoreTree({ store, name: 'pods/other', directory: nested })
  expect(existsSync(join(base, 'nope'))).toBe(false)
  mkdirSync(at('two'), { recursive: true })
  writeFileSync(join(at('two'), 'new'), 'new')
  expect(await saveTree({ store, name: 'pods/other', directory: at('two') })).toMatchObject({
    result: 'saved',
    generation: 1,
  })
})

test('only adds where the past of a directory is unknown', async () => {
  const { base, store, at } = await setUp()
  mkdirSync(at('two'), { recursive: true })
  writeFileSync(join(at('two'), 'new'), 'new')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'saved',
    generation: 2,
    additive: true,
    deleted: 0,
  })
  // Its gaps are still not deletions.
  tick()
  writeFileSync(join(at('two'), 'newer'), 'newer')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'saved',
    generation: 3,
    additive: true,
  })
  await restoreTree({ store, name, directory: join(base, 'three', 'nodes') })
  expect(readdirSync(join(base, 'three', 'nodes')).toSorted()).toEqual(['a', 'new', 'newer'])
})

test('saves beside the history when more than half has vanished, and says so', async () => {
  const { store, directory, at } = await setUp()
  tick()
  rmSync(join(directory, 'a'), { recursive: true })
  writeFileSync(join(directory, 'rest'), 'rest')
  const notes: string[] = []
  const saved = await saveTree({
    store,
    name,
    directory,
    onNote: (_level, text) => notes.push(text),
  })
  expect(saved).toMatchObject({ result: 'saved', sibling: true, deleted: 10 })
  expect(notes).toEqual([
    expect.stringMatching(/: 10 of 10 entries had vanished; so do the next saves\. /),
  ])
  expect(notes[0]).toContain(
    `berth archive save ${directory} --name ${name} --store ${store.url} --accept-vanished`,
  )
  expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
  expect(
    await restoreTree({
      store,
      name,
      directory: at('two'),
      onNote: (_level, text) => notes.push(text),
    }),
  ).toMatchObject({ generation: 1, siblings: [expect.stringMatching(/^00000002~/)] })
  expect(notes.at(-1)).toContain(
    `berth archive prune --name ${name} --store ${store.url} --siblings 1d`,
  )
  expect(notes.at(-2)).toMatch(
    /has a snapshot of 20.* beside its history, which was not restored: it holds `rest`; .* --at 00000002~/,
  )
  expect(
    (await listSnapshots(store, name)).map((snapshot) => [
      snapshot.generation,
      snapshot.sibling,
      snapshot.files,
    ]),
  ).toEqual([
    [1, false, 10],
    [2, true, 1],
  ])
})

test('says what to do when the store was put back from a copy, and does it', async () => {
  const { base, store, directory } = await setUp()
  cpSync(join(base, 'store'), join(base, 'copy'), { recursive: true })
  tick()
  writeFileSync(join(directory, 'new'), 'new')
  await saveTree({ store, name, directory })
  rmSync(join(base, 'store'), { recursive: true })
  cpSync(join(base, 'copy'), join(base, 'store'), { recursive: true })
  tick()
  writeFileSync(join(directory, 'newer'), 'newer')
  const notes: string[] = []
  const onNote = (_: string, text: string) => void notes.push(text)
  expect(await saveTree({ store, name, directory, onNote })).toMatchObject({ sibling: true })
  expect(notes).toEqual([
    expect.stringMatching(
      /the `00000002` that this directory was made from is no longer in the store.* --accept-vanished` makes it the newest; if the history is, .* --at 00000001`/,
    ),
  ])
  expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
  expect(await saveTree({ store, name, directory, acceptVanished: true })).toMatchObject({
    result: 'saved',
    generation: 2,
    sibling: false,
  })
  tick()
  writeFileSync(join(directory, 'newest'), 'newest')
  expect(await saveTree({ store, name, directory })).toMatchObject({
    generation: 3,
    sibling: false,
    additive: false,
  })
})

test('warns when a directory is saved under another name than before', async () => {
  const { store, directory } = await setUp()
  const notes: string[] = []
  const onNote = (level: string, text: string) => void notes.push(`${level} ${text}`)
  await saveTree({ store, name: 'pods/ndoes', directory, onNote })
  expect(notes).toEqual([
    `warn \`${directory}\` belonged to \`${name}\`, and from now on to \`pods/ndoes\`: if that is not meant, save it as \`${name}\` again`,
  ])
  await saveTree({ store, name: 'pods/ndoes', directory, onNote })
  expect(notes).toHaveLength(1)
})

test('holds what two pods saved on the same base in one snapshot', async () => {
  const { store, at } = await setUp()
  for (const pod of ['two', 'three']) {
    await restoreTree({ store, name, directory: at(pod) })
    tick()
    writeFileSync(join(at(pod), `by-${pod}`), pod)
  }
  const results = await Promise.all(
    ['two', 'three'].map((pod) => saveTree({ store, name, directory: at(pod), pod })),
  )
  expect(
    results.map((result) => result.result === 'saved' && result.generation).toSorted(),
  ).toEqual([2, 3])
  const directory = join(newDirectory(), 'nodes')
  await restoreTree({ store, name, directory })
  expect(readdirSync(directory)).toEqual(['a', 'by-three', 'by-two'])
  expect(await latestGeneration(store, name)).toBe(3)
  expect(await listArchives(store)).toEqual([name])
})

test('records a copy, and saves from it what had changed before it was copied', async () => {
  const { base, store, at } = await setUp()
  await restoreTree({ store, name, directory: at('two') })
  tick()
  writeFileSync(join(at('two'), 'a', 'f2'), 'CONTENT 2')
  const { cpSync } = await import('node:fs')
  mkdirSync(join(base, 'volume'))
  cpSync(at('two'), at('volume'), { recursive: true, preserveTimestamps: true })
  await copyRecord(at('two'), at('volume'))
  expect(await readRecord(at('volume'))).toMatchObject({ generation: 1, complete: true })
  expect(await saveTree({ store, name, directory: at('volume') })).toMatchObject({
    result: 'saved',
    generation: 2,
    changed: 1,
  })
})

test('keeps what another directory put into place under a moved parent', async () => {
  const { base, store, at } = await setUp()
  await restoreTree({ store, name, directory: at('two') })
  renameSync(join(base, 'two'), join(base, 'moved'))
  expect(await restoreTree({ store, name, directory: at('moved') })).toMatchObject({
    result: 'kept',
  })
  expect(describeTree(at('moved')).length).toBe(12)
})

test('never touches the root or a system directory', async () => {
  const { store } = await setUp()
  for (const directory of ['/', '/usr', '/etc']) {
    await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
      code: 'filesystem/system-root',
    })
    await expect(saveTree({ store, name, directory })).rejects.toMatchObject({
      code: 'filesystem/system-root',
    })
  }
})
