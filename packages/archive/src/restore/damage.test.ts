import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import { beforeAll, expect, test } from 'vitest'
import { manifestKey } from '../format/format.ts'
import { restoreTree, saveTree, verifyArchive } from '../index.ts'
import { type Manifest, decodeManifest, encodeManifest } from '../format/manifest.ts'
import { newDirectory } from '../testing.ts'

const name = 'test/tree'
let pristine: string

beforeAll(async () => {
  const base = newDirectory()
  const directory = join(base, 'tree')
  mkdirSync(join(directory, 'below'), { recursive: true })
  for (let index = 0; index < 20; index++)
    writeFileSync(join(directory, 'below', `f${index}`), `content ${index}\n`.repeat(100))
  writeFileSync(join(directory, 'long'), Buffer.alloc(5_000_000, 'long content '))
  symlinkSync('below', join(directory, 'link'))
  pristine = join(base, 'store')
  await saveTree({ store: await openStore(`file://${pristine}`, { env: {} }), name, directory })
})

/** A copy of the store that the test may damage. */
async function openCopy() {
  const root = join(newDirectory(), 'store')
  const copy = (from: string, to: string): void => {
    mkdirSync(to, { recursive: true })
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      if (entry.isDirectory()) copy(join(from, entry.name), join(to, entry.name))
      else copyFileSync(join(from, entry.name), join(to, entry.name))
    }
  }
  copy(pristine, root)
  const chunks = readdirSync(join(root, 'chunks'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.zst'))
    .map((path) => join(root, 'chunks', path))
  return {
    root,
    chunks,
    store: await openStore(`file://${root}`, { env: {} }),
    directory: join(newDirectory(), 'tree'),
  }
}

function changeManifest(root: string, change: (manifest: Manifest) => void): void {
  const path = join(root, manifestKey(name, '00000001'))
  // A copy is encoded from its tree, which is what is changed here.
  const manifest: Manifest = { ...decodeManifest(readFileSync(path), path) }
  change(manifest)
  rmSync(path)
  writeFileSync(path, encodeManifest(manifest))
}

const damages: [string, string, (path: string, other: string) => void][] = [
  [
    'a flipped bit',
    'archive/corrupt-chunk',
    (path) => {
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      writeFileSync(path, bytes)
    },
  ],
  [
    'a cut object',
    'archive/corrupt-chunk',
    (path) => writeFileSync(path, readFileSync(path).subarray(0, -7)),
  ],
  [
    'an object with more bytes',
    'archive/corrupt-chunk',
    (path) => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from('x')])),
  ],
  ['an empty object', 'archive/corrupt-chunk', (path) => writeFileSync(path, '')],
  ['a missing object', 'archive/missing-chunk', (path) => rmSync(path)],
  [
    'an object swapped for another',
    'archive/corrupt-chunk',
    (path, other) => writeFileSync(path, readFileSync(other)),
  ],
]

test.each(damages)(
  'names the chunk with %s, restores nothing, and verify finds it',
  async (_what, code, damage) => {
    for (const number of [0, 1]) {
      const { store, chunks, directory } = await openCopy()
      const path = chunks[number] ?? ''
      damage(path, chunks[1 - number] ?? '')
      const object = path.slice(path.indexOf('chunks/'))
      await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(object),
      })
      expect(readdirSync(join(directory, '..')).filter((entry) => entry !== '.berth')).toEqual([])
      const { problems } = await verifyArchive({ store, name })
      expect(problems).toEqual([
        expect.objectContaining({ key: object, code, snapshots: ['00000001'] }),
      ])
    }
  },
)

const lies: [string, string, (manifest: Manifest) => void][] = [
  [
    'a file outside the tree',
    'archive/unsafe-path',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, path: 'below/..' }),
  ],
  [
    'a directory outside the tree',
    'archive/unsafe-path',
    ({ tree }) => void (tree.directories[1] = { ...tree.directories[1]!, path: '..' }),
  ],
  [
    'a file called `.`',
    'archive/unsafe-path',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, path: 'below/.' }),
  ],
  [
    'a name with a NUL',
    'archive/unsafe-path',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, path: 'below/a\0b' }),
  ],
  [
    'a directory under the name of a link, so that its files lie below the link',
    'archive/unsafe-path',
    ({ tree }) => void tree.links.push({ ...tree.links[0]!, path: 'below', target: '/etc' }),
  ],
  [
    'a file under the name of a link',
    'archive/unsafe-path',
    ({ tree }) => void tree.links.push({ ...tree.links[0]!, path: 'long' }),
  ],
  [
    'two files of one name',
    'archive/unsafe-path',
    ({ tree }) => void (tree.files[1] = { ...tree.files[1]!, path: tree.files[0]!.path }),
  ],
  [
    'a link without a target',
    'archive/bad-manifest',
    ({ tree }) => void (tree.links[0] = { ...tree.links[0]!, target: '' }),
  ],
  [
    'a file beyond its frame',
    'archive/bad-manifest',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, size: 1e9 }),
  ],
  [
    'a file in a chunk that is not there',
    'archive/bad-manifest',
    ({ tree }) =>
      void (tree.files[0] = {
        ...tree.files[0]!,
        place: { kind: 'group', chunk: 99, frame: 0, offset: 512 },
      }),
  ],
  [
    'a long file with too few bytes',
    'archive/bad-manifest',
    ({ tree }) => {
      const index = tree.files.findIndex((file) => file.place.kind === 'segments')
      tree.files[index] = { ...tree.files[index]!, size: 4_999_999 }
    },
  ],
  [
    'a chunk whose name is a path',
    'archive/bad-manifest',
    ({ chunks }) => void (chunks[0] = { ...chunks[0]!, sha256: '../../../etc/passwd' }),
  ],
  [
    'a mode with file type bits',
    'archive/bad-manifest',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, mode: 0o100644 }),
  ],
  [
    'a negative size',
    'archive/bad-manifest',
    ({ tree }) => void (tree.files[0] = { ...tree.files[0]!, size: -1 }),
  ],
]

test.each(lies)('refuses a manifest with %s', async (_what, code, change) => {
  const { root, store, directory } = await openCopy()
  changeManifest(root, change)
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
    code,
    message: expect.stringContaining('00000001.json.zst'),
  })
  expect(readdirSync(join(directory, '..')).filter((entry) => entry !== '.berth')).toEqual([])
})

test('refuses a manifest that is not one, and a store of a newer format', async () => {
  const { root, store, directory } = await openCopy()
  writeFileSync(join(root, manifestKey(name, '00000001')), 'nonsense')
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
    code: 'archive/bad-manifest',
  })
  writeFileSync(join(root, 'berth.json'), '{"format":2}')
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
    code: 'archive/newer-format',
  })
  writeFileSync(join(root, 'berth.json'), 'nonsense')
  await expect(restoreTree({ store, name, directory })).rejects.toMatchObject({
    code: 'archive/bad-store',
  })
})
