import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { openStore } from '@berth/object-store'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { restoreTree, saveTree, verifyArchive } from '../index.ts'
import { describeTree, newDirectory, tick } from '../testing.ts'

const MIB = 1024 * 1024

/** An entry by the numbers of its directory and of its name, so that later ones meet earlier ones. */
interface Made {
  kind: 'file' | 'directory' | 'link' | 'hard' | 'sparse'
  parent: number
  name: Buffer
  size: number
  mode: number
  time: number
  target: string
}

const plainName = fc.stringMatching(/^[a-z.~@-]{1,6}$/).filter((name) => !/^\.{1,2}$/.test(name))
const rawName = fc
  .uint8Array({ minLength: 1, maxLength: 12 })
  .map((bytes) =>
    Buffer.from([...bytes].map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))),
  )
const name = fc
  .oneof(
    { weight: 6, arbitrary: plainName.map((text) => Buffer.from(text)) },
    { weight: 2, arbitrary: rawName },
    {
      weight: 1,
      arbitrary: fc
        .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
        .map((text) => Buffer.from(text.replaceAll(/[/\0]/g, '_'))),
    },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 90, max: 255 }).map((length) => Buffer.alloc(length, 'n')),
    },
  )
  .filter(
    (bytes) => bytes.length < 256 && !['.', '..', '.berth', '.netrc'].includes(bytes.toString()),
  )

const size = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 2000 }) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 511, 512, 513, 4095, 4096, 4097, 70_000) },
  { weight: 1, arbitrary: fc.constantFrom(4 * MIB - 1, 4 * MIB, 4 * MIB + 1) },
)

const entry: fc.Arbitrary<Made> = fc.record({
  kind: fc.constantFrom('file', 'file', 'file', 'directory', 'directory', 'link', 'hard', 'sparse'),
  parent: fc.nat(),
  name,
  size,
  mode: fc.constantFrom(0o644, 0o755, 0o600, 0o400, 0o000, 0o4755, 0o2755, 0o1777, 0o777),
  time: fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 }),
    fc.double({ min: 1e9, max: 2e9, noNaN: true }),
  ),
  target: fc.constantFrom(
    '.',
    '..',
    '../../etc/passwd',
    '/dev/null',
    'nowhere',
    'a/b/../c',
    'x'.repeat(300),
  ),
})

function make(root: string, entries: readonly Made[]): void {
  const directories = [Buffer.from(root)]
  const files: Buffer[] = []
  for (const made of entries) {
    const parent = directories[made.parent % directories.length] as Buffer
    const path = Buffer.concat([parent, Buffer.from('/'), made.name])
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) continue
    const first = files[made.parent % Math.max(1, files.length)]
    if (made.kind === 'directory') {
      mkdirSync(path)
      directories.push(path)
    } else if (made.kind === 'link') symlinkSync(made.target, path)
    else if (made.kind === 'hard' && first !== undefined) linkSync(first, path)
    else {
      write(path, made)
      files.push(path)
    }
    if (made.kind !== 'link' && made.kind !== 'hard') {
      chmodSync(path, made.mode)
      utimesSync(path, made.time, made.time)
    }
  }
}

function write(path: Buffer, { kind, size, time }: Made): void {
  const seed = createHash('sha256')
    .update(`${time % 5}`)
    .digest()
  if (kind !== 'sparse') return writeFileSync(path, Buffer.alloc(size, seed))
  const fd = openSync(path, 'wx')
  writeSync(fd, seed, 0, seed.length, size * 3 + 100_000)
  closeSync(fd)
}

interface Change {
  kind: 'append' | 'remove' | 'chmod' | 'touch' | 'rename' | 'replace' | 'swap'
  at: number
  to: number
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('append', 'remove', 'chmod', 'touch', 'rename', 'replace', 'swap'),
  at: fc.nat(),
  to: fc.nat(),
})

function listPaths(root: Buffer): Buffer[] {
  return readdirSync(root, { withFileTypes: true, encoding: 'buffer' }).flatMap((entry) => {
    const path = Buffer.concat([root, Buffer.from('/'), entry.name])
    return entry.isDirectory() ? [path, ...listPaths(path)] : [path]
  })
}

function mutate(root: string, changes: readonly Change[]): void {
  for (const { kind, at, to } of changes) {
    const paths = listPaths(Buffer.from(root))
    const path = paths[at % Math.max(1, paths.length)]
    const other = paths[to % Math.max(1, paths.length)]
    if (path === undefined || other === undefined) return
    const stats = lstatSync(path)
    if (kind === 'remove') rmSync(path, { recursive: true })
    else if (kind === 'rename') renameSync(path, Buffer.concat([path, Buffer.from(`${to % 10}`)]))
    else if (kind === 'replace') {
      rmSync(path, { recursive: true })
      if (stats.isDirectory()) writeFileSync(path, 'was a directory')
      else mkdirSync(path)
    } else if (kind === 'swap' && stats.isFile() && lstatSync(other).isFile()) {
      // The same times and sizes, another content behind the name.
      const aside = Buffer.from(`${root}/aside`)
      renameSync(path, aside)
      if (path.equals(other)) renameSync(aside, path)
      else {
        renameSync(other, path)
        renameSync(aside, other)
      }
    } else if (stats.isSymbolicLink()) continue
    else if (kind === 'chmod') chmodSync(path, to & 0o777)
    else if (kind === 'touch') utimesSync(path, to, to)
    else if (stats.isFile()) {
      writeFileSync(path, `${to}`, { flag: 'a' })
      // Behind the back of whoever looks only at times.
      if (to % 2 === 0) utimesSync(path, stats.atime, stats.mtime)
    }
  }
}

const archive = 'test/tree'

test('brings back any tree, and any change to it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 40 }),
      fc.array(fc.array(change, { maxLength: 6 }), { maxLength: 3 }),
      async (entries, rounds) => {
        const base = newDirectory()
        const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
        const directory = join(base, 'pod', 'tree')
        mkdirSync(directory, { recursive: true })
        make(directory, entries)
        let last = 1
        for (const changes of [[], ...rounds]) {
          tick()
          mutate(directory, changes)
          const saved = await saveTree({ store, name: archive, directory, acceptVanished: true })
          if (saved.result === 'saved') last = saved.generation
          expect(saved).not.toMatchObject({ sibling: true })
          const before = describeTree(directory)
          const other = join(newDirectory(), 'tree')
          expect(await restoreTree({ store, name: archive, directory: other })).toMatchObject({
            result: 'restored',
            generation: last,
          })
          if (saved.result === 'saved') expect(describeTree(other)).toEqual(before)
          else expect(withoutFolderTimes(other)).toEqual(withoutFolderTimes(directory))
          expect(await saveTree({ store, name: archive, directory: other })).toMatchObject({
            result: 'unchanged',
          })
          rmSync(join(other, '..'), { recursive: true })
        }
        expect((await verifyArchive({ store, name: archive })).problems).toEqual([])
        rmSync(base, { recursive: true })
      },
    ),
    { numRuns: Number(process.env['BERTH_PROPERTY_RUNS'] ?? 12) },
  )
}, 600_000)

/** A folder's or a link's own time is not worth a snapshot. */
function withoutFolderTimes(root: string): string[] {
  return describeTree(root).map((line) =>
    / (directory|link) /.test(line) ? line.replace(/ -?\d+$/, '') : line,
  )
}

test('brings back segments at their edges', async () => {
  const base = newDirectory()
  const store = await openStore(`file://${join(base, 'store')}`, { env: {} })
  const directory = join(base, 'pod', 'tree')
  mkdirSync(directory, { recursive: true })
  for (const size of [32 * MIB - 1, 32 * MIB, 32 * MIB + 1]) {
    const block = createHash('sha512').update(`${size}`).digest()
    writeFileSync(join(directory, `f${size}`), Buffer.alloc(size, block))
  }
  await saveTree({ store, name: archive, directory })
  const other = join(base, 'other', 'tree')
  await restoreTree({ store, name: archive, directory: other })
  expect(describeTree(other)).toEqual(describeTree(directory))
})
