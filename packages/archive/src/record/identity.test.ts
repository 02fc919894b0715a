import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { hintKey, manifestKey } from '../format/format.ts'
import { readRecord, restoreTree, saveTree, verifyArchive } from '../index.ts'
import { decodeManifest, encodeManifest } from '../format/manifest.ts'
import { newDirectory, tick } from '../testing.ts'

const name = 'pods/nodes'

async function setUp() {
  const base = newDirectory()
  const root = join(base, 'store')
  const store = await openStore(`file://${root}`, { env: {} })
  return { base, root, store }
}

function fill(directory: string, text: string, count = 10): void {
  mkdirSync(join(directory, 'a'), { recursive: true })
  for (let index = 0; index < count; index++)
    writeFileSync(join(directory, 'a', `f${index}`), `${text} ${index}`)
}

test('never continues the restore of one archive with the files of another', async () => {
  const { base, root, store } = await setUp()
  const other = 'pods/other'
  for (const [archive, text] of [
    [name, 'first'],
    [other, 'other'],
  ] as const) {
    const directory = join(base, text, 'nodes')
    fill(directory, text)
    writeFileSync(join(directory, 'long'), Buffer.alloc(5_000_000, text))
    await saveTree({ store, name: archive, directory })
  }
  // Cut the restore of the first one: the chunk with its long file is missing.
  const manifest = decodeManifest(readFileSync(join(root, manifestKey(name, '00000001'))), '')
  const long = manifest.chunks.find((chunk) => chunk.kind === 'segment')?.sha256 ?? ''
  const path = join(root, 'chunks', long.slice(0, 2), `${long}.zst`)
  rmSync(path)
  const directory = join(base, 'pod', 'nodes')
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
    code: 'archive/missing-chunk',
  })
  await restoreTree({ store, name: other, directory })
  expect(readFileSync(join(directory, 'a', 'f3'), 'utf8')).toBe('other 3')
  expect(readFileSync(join(directory, 'long'), 'utf8').startsWith('otherother')).toBe(true)
})

test('takes an archive that was deleted and made anew for what it is', async () => {
  const { base, root, store } = await setUp()
  const [mine, theirs] = [join(base, 'mine', 'nodes'), join(base, 'theirs', 'nodes')]
  fill(mine, 'mine')
  await saveTree({ store, name, directory: mine })
  for (const entry of readdirSync(root)) rmSync(join(root, entry), { recursive: true })
  fill(theirs, 'theirs')
  writeFileSync(join(theirs, 'theirs'), 'theirs')
  await saveTree({ store, name, directory: theirs })
  tick()
  writeFileSync(join(mine, 'new'), 'new')
  const saved = await saveTree({ store, name, directory: mine })
  expect(saved).toMatchObject({ result: 'saved', sibling: true, additive: false })
  expect((await verifyArchive({ store, name })).problems).toEqual([])
  for (const [at, names, text] of [
    [undefined, ['a', 'theirs'], 'theirs 1'],
    ['snapshot' in saved ? saved.snapshot : '', ['a', 'new'], 'mine 1'],
  ] as const) {
    const fresh = join(newDirectory(), 'nodes')
    await restoreTree({ store, name, directory: fresh, at })
    expect(readdirSync(fresh).toSorted()).toEqual(names)
    expect(readFileSync(join(fresh, 'a', 'f1'), 'utf8')).toBe(text)
  }
})

test('says unchanged only of a snapshot that is in the store', async () => {
  const { base, root, store } = await setUp()
  const directory = join(base, 'pod', 'nodes')
  fill(directory, 'mine')
  await saveTree({ store, name, directory })
  const key = join(root, manifestKey(name, '00000001'))
  const theirs = { ...decodeManifest(readFileSync(key), ''), id: '0123456789abcdef' }
  theirs.tree.files.pop()
  rmSync(key)
  writeFileSync(key, encodeManifest(theirs))
  expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'saved' })
})

test('knows its own commit again when it was killed before it could record it', async () => {
  const { base, store } = await setUp()
  const directory = join(base, 'pod', 'nodes')
  fill(directory, 'mine')
  await saveTree({ store, name, directory })
  const state = join(base, 'pod', '.berth', 'trees', 'nodes')
  const keep = new Map(readdirSync(state).map((file) => [file, readFileSync(join(state, file))]))
  tick()
  writeFileSync(join(directory, 'more'), 'more')
  // A store that dies right behind the commit, together with the process.
  const dying: typeof store = Object.create(store) as typeof store
  const saved = saveTree({
    store: Object.assign(dying, {
      put: async (key: string, ...rest: [Uint8Array, object]) => {
        const result = await store.put(key, ...rest)
        if (key === manifestKey(name, '00000002')) await new Promise(() => {})
        return result
      },
    }),
    name,
    directory,
  })
  void saved.catch(() => undefined)
  while ((await store.head(manifestKey(name, '00000002'))) === undefined)
    await new Promise((resolve) => setTimeout(resolve, 20))
  expect(keep.has('record.json')).toBe(true)
  // Another process would not share this one's lock.
  const clone = join(base, 'clone')
  const { cpSync } = await import('node:fs')
  cpSync(join(base, 'pod'), clone, { recursive: true, preserveTimestamps: true })
  expect(await readRecord(join(clone, 'nodes'))).toMatchObject({ generation: 1 })
  tick()
  rmSync(join(clone, 'nodes', 'a', 'f1'))
  expect(await saveTree({ store, name, directory: join(clone, 'nodes') })).toMatchObject({
    result: 'saved',
    generation: 3,
    sibling: false,
    additive: false,
    deleted: 1,
  })
})

test('leaves the record alone when what was asked for is not there', async () => {
  const { base, store } = await setUp()
  const directory = join(base, 'pod', 'nodes')
  fill(directory, 'mine')
  await saveTree({ store, name, directory })
  await expect(restoreTree({ store, name, directory, at: '99' })).rejects.toMatchObject({
    code: 'archive/missing-snapshot',
  })
  expect(await restoreTree({ store, name: 'pods/typo', directory })).toEqual({ result: 'absent' })
  tick()
  writeFileSync(join(directory, 'more'), 'more')
  expect(await saveTree({ store, name, directory })).toMatchObject({
    result: 'saved',
    generation: 2,
    additive: false,
  })
})

test('touches nothing of the directory that a replaced link leads to', async () => {
  const { base, store } = await setUp()
  const volume = join(base, 'volume', 'nodes')
  fill(volume, 'shared')
  await saveTree({ store, name, directory: volume })
  const before = await readRecord(volume)
  mkdirSync(join(base, 'pod'))
  const directory = join(base, 'pod', 'nodes')
  symlinkSync(volume, directory)
  const restored = await restoreTree({ store, name, directory })
  expect(restored).toMatchObject({ result: 'restored' })
  expect(await readRecord(volume)).toEqual(before)
  expect(await readRecord(directory)).toMatchObject({ complete: true, generation: 1 })
  expect(existsSync(join(base, 'pod', '.berth', 'trees', 'nodes', 'record.json'))).toBe(true)
})

test('reads everything when its index is damaged', async () => {
  const { base, store } = await setUp()
  const directory = join(base, 'pod', 'nodes')
  fill(directory, 'mine')
  await saveTree({ store, name, directory })
  const state = join(base, 'pod', '.berth', 'trees', 'nodes')
  const index = readdirSync(state).find((file) => file.startsWith('index-')) ?? ''
  writeFileSync(join(state, index), 'nonsense')
  expect(await saveTree({ store, name, directory })).toMatchObject({ result: 'unchanged' })
})

test('saves whatever the hint says', async () => {
  const { base, root, store } = await setUp()
  const directory = join(base, 'pod', 'nodes')
  fill(directory, 'mine')
  await saveTree({ store, name, directory })
  for (const [index, hint] of ['', '00000099', '00000001~ab', 'nonsense', '0'].entries()) {
    writeFileSync(join(root, hintKey(name)), hint)
    tick()
    writeFileSync(join(directory, 'more'), `${index}`)
    expect(await saveTree({ store, name, directory })).toMatchObject({ generation: index + 2 })
  }
})

test('keeps archives whose names begin alike apart', async () => {
  const { base, store } = await setUp()
  for (const archive of ['pods', 'pods/nodes', 'pods/nodes/deep']) {
    const directory = join(base, archive.replaceAll('/', '-'), 'nodes')
    fill(directory, archive)
    expect(await saveTree({ store, name: archive, directory })).toMatchObject({ generation: 1 })
  }
  for (const archive of ['pods', 'pods/nodes', 'pods/nodes/deep']) {
    const directory = join(base, 'back', archive.replaceAll('/', '-'))
    await restoreTree({ store, name: archive, directory })
    expect(readFileSync(join(directory, 'a', 'f0'), 'utf8')).toBe(`${archive} 0`)
  }
})
