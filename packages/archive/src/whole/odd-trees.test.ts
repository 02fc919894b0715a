import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { restoreTree, saveTree } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'

async function setUp() {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const directory = join(base, 'one', 'nodes')
  mkdirSync(directory, { recursive: true })
  return { base, store, directory, at: (pod: string) => join(base, pod, 'nodes') }
}

test('keeps the content of a hard link whose first name a fresh directory has anew', async () => {
  const { store, directory, at } = await setUp()
  writeFileSync(join(directory, 'p'), 'old')
  linkSync(join(directory, 'p'), join(directory, 'q'))
  linkSync(join(directory, 'p'), join(directory, 'r'))
  await saveTree({ store, name, directory })
  mkdirSync(at('two'), { recursive: true })
  writeFileSync(join(at('two'), 'p'), 'new content')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({ additive: true })
  await restoreTree({ store, name, directory: at('three') })
  const read = (file: string) => readFileSync(join(at('three'), file), 'utf8')
  expect([read('p'), read('q'), read('r')]).toEqual(['new content', 'old', 'old'])
  const inode = (file: string) => statSync(join(at('three'), file)).ino
  expect(inode('q')).toBe(inode('r'))
})

test('saves a hard link although its first name is excluded or goes away', async () => {
  const { store, directory, at } = await setUp()
  writeFileSync(join(directory, '.netrc'), 'not really secret')
  linkSync(join(directory, '.netrc'), join(directory, 'z'))
  await saveTree({ store, name, directory })
  await restoreTree({ store, name, directory: at('two') })
  expect(readFileSync(join(at('two'), 'z'), 'utf8')).toBe('not really secret')
  expect(existsSync(join(at('two'), '.netrc'))).toBe(false)
})

test('adds what it lacks across a change from file to directory and back', async () => {
  const { store, directory, at } = await setUp()
  writeFileSync(join(directory, 'file'), 'file')
  mkdirSync(join(directory, 'folder', 'deep'), { recursive: true })
  writeFileSync(join(directory, 'folder', 'deep', 'x'), 'x')
  for (const file of ['only-here', 'here', 'there']) writeFileSync(join(directory, file), 'x')
  await saveTree({ store, name, directory })
  mkdirSync(join(at('two'), 'file'), { recursive: true })
  writeFileSync(join(at('two'), 'file', 'inner'), 'inner')
  writeFileSync(join(at('two'), 'folder'), 'now a file')
  await saveTree({ store, name, directory: at('two') })
  await restoreTree({ store, name, directory: at('three') })
  expect(readFileSync(join(at('three'), 'file', 'inner'), 'utf8')).toBe('inner')
  expect(readFileSync(join(at('three'), 'folder'), 'utf8')).toBe('now a file')
  expect(readFileSync(join(at('three'), 'only-here'), 'utf8')).toBe('x')
})

test('restores what it saved, however odd its times are', async () => {
  const { store, directory, at } = await setUp()
  const times = [-1, -0.5, -86_400 * 365 * 60, 0, 1, 2 ** 31, 2 ** 32 + 0.25, 1_700_000_000.999999]
  for (const [index, time] of times.entries()) {
    writeFileSync(join(directory, `f${index}`), `${index}`)
    utimesSync(join(directory, `f${index}`), time, time)
  }
  // 1601 and 2400, as file systems of other origin have them; ext4 cuts them, others don't.
  for (const [index, time] of [-11_644_473_600, 13_569_465_600].entries()) {
    writeFileSync(join(directory, `g${index}`), `${index}`)
    utimesSync(join(directory, `g${index}`), time, time)
  }
  await saveTree({ store, name, directory })
  await restoreTree({ store, name, directory: at('two') })
  const plain = (root: string) => describeTree(root).filter((line) => !line.startsWith('./g'))
  expect(plain(at('two'))).toEqual(plain(directory))
  expect(readFileSync(join(at('two'), 'g1'), 'utf8')).toBe('1')
  expect(await saveTree({ store, name, directory: at('two') })).toMatchObject({
    result: 'unchanged',
  })
})

test('takes a tree that was moved away while it was saved for moved, not for deleted', async () => {
  const { store, directory } = await setUp()
  for (let folder = 0; folder < 200; folder++) {
    mkdirSync(join(directory, `d${folder}`))
    writeFileSync(join(directory, `d${folder}`, 'f'), `${folder}`)
  }
  await saveTree({ store, name, directory })
  const saving = saveTree({ store, name, directory }).catch((error: unknown) => error)
  // The scan has begun when the store has been asked.
  await new Promise((resolve) => setTimeout(resolve, 30))
  let moved = false
  for (let attempt = 0; attempt < 200 && !moved; attempt++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (attempt === 20) {
      renameSync(directory, `${directory}-moved`)
      moved = true
    }
  }
  expect(await saving).not.toMatchObject({ result: 'saved' })
})

test('saves the rest when entries come and go meanwhile', async () => {
  const { store, directory } = await setUp()
  for (let index = 0; index < 3000; index++) {
    const folder = join(directory, `d${index % 100}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `f${index}`), `${index}`)
  }
  let isOver = false
  const churn = (async () => {
    for (let round = 0; !isOver; round++) {
      const folder = join(directory, `d${round % 50}`)
      rmSync(folder, { recursive: true, force: true })
      writeFileSync(folder, 'a file now')
      await new Promise((resolve) => setImmediate(resolve))
      unlinkSync(folder)
      mkdirSync(folder)
      writeFileSync(join(folder, 'f'), `${round}`)
    }
  })()
  try {
    expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'saved' })
  } finally {
    isOver = true
    await churn
  }
  tick()
  expect(await saveTree({ store, name, directory, acceptVanished: true })).toMatchObject({})
})
