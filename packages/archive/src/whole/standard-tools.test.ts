import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { type ObjectStore, openStore } from '@berth/object-store'
import { expect, test } from 'vitest'
import { saveTree } from '../index.ts'
import { type SaveOptions } from '../save/save.ts'
import { type Frame, type Manifest } from '../format/manifest.ts'
import { readSnapshot, readSnapshotList } from '../snapshots/snapshots.ts'
import { makeTree, newDirectory, tick } from '../testing.ts'

const name = 'test/venv'
const MOST_BYTES = 2 ** 27

/** What a real program makes of these bytes; it must not say a word against them. */
function read(program: string, args: readonly string[], input: Buffer): Buffer {
  const env = { ...process.env, LC_ALL: 'C' }
  const { status, stdout, stderr } = spawnSync(program, args, {
    input,
    env,
    maxBuffer: MOST_BYTES,
  })
  expect({ program, status, said: stderr.toString() }).toEqual({ program, status: 0, said: '' })
  return stdout
}

/** Of all snapshots: the frames of each object, and where in it files lie. */
async function readExpected(store: ObjectStore) {
  const { history, siblings } = await readSnapshotList(store, name)
  const expected = new Map<string, { frames: Frame[]; places: Set<string> }>()
  for (const reference of [...history, ...siblings]) {
    const manifest: Manifest = await readSnapshot(store, name, reference.name)
    for (const { sha256, frames } of manifest.chunks)
      expected.set(sha256, expected.get(sha256) ?? { frames, places: new Set() })
    for (const { place } of manifest.tree.files) {
      if (place.kind !== 'group') continue
      const { sha256 = '' } = manifest.chunks[place.chunk] ?? {}
      expected.get(sha256)?.places.add(`${place.frame} ${place.offset}`)
    }
  }
  return expected
}

test('GNU tar and zstd read every object alone, frame by frame too, whatever kind of save wrote it', async () => {
  const base = newDirectory()
  const directory = join(base, 'pod', 'venv')
  mkdirSync(directory, { recursive: true })
  makeTree(directory)
  const at = (path: string): string => join(directory, path)
  const store = await openStore(`file://${base}/store`, { env: {} })
  const save = async (more: Partial<SaveOptions> = {}) => {
    tick()
    expect(await saveTree({ store, name, directory, ...more })).toMatchObject({ result: 'saved' })
  }
  // More than a group takes, and more than a frame.
  mkdirSync(at('many'))
  for (let index = 0; index < 3100; index++) writeFileSync(at(`many/${index}`), `${index}`)
  mkdirSync(at('middle'))
  for (let index = 0; index < 6; index++)
    writeFileSync(at(`middle/${index}`), randomBytes(3_500_000 - index))
  await save()
  appendFileSync(at('bin/private'), 'more')
  writeFileSync(at('lib/added.py'), 'added')
  writeFileSync(at(`${'y'.repeat(150)}\n`), 'long, and with an end of line')
  writeFileSync(Buffer.concat([Buffer.from(at('raw-')), Buffer.from([0xfe])]), 'raw again')
  rmSync(at('many/7'))
  renameSync(at('many'), at('moved'))
  await save({ level: 'fast' })
  writeFileSync(at('moved/8'), 'eight')
  writeFileSync(at('lib/next.bin'), randomBytes(17_000_000))
  await save({ level: 'fast', deadline: Date.now() + 600_000 })
  rmSync(join(base, 'pod', '.berth'), { recursive: true })
  rmSync(at('middle'), { recursive: true })
  writeFileSync(at('bin/again'), 'again')
  await save()

  const expected = await readExpected(store)
  const objects = globSync('store/chunks/*/*', { cwd: base })
  expect(objects.length).toBeGreaterThan(10)
  expect(new Set(objects.map((path) => basename(path).split('.')[0]))).toEqual(
    new Set(expected.keys()),
  )
  for (const path of objects) {
    const bytes = readFileSync(join(base, path))
    const [sum = ''] = read('sha256sum', [], bytes).toString().split(' ')
    expect(basename(path).split('.')[0]).toBe(sum)
    const { frames = [], places = new Set() } = expected.get(sum) ?? {}
    const whole = read('zstd', ['-dcq'], bytes)
    expect(frames.reduce((end, { raw }) => end + raw, 0)).toBe(whole.length)
    let [start, end] = [0, 0]
    for (const { stored, raw } of frames) {
      const part = read('zstd', ['-dcq'], bytes.subarray(start, (start += stored)))
      expect(part.equals(whole.subarray(end, (end += raw)))).toBe(true)
    }
    if (!path.endsWith('.tar.zst')) continue
    // One line for each member: what would break a line is escaped.
    const listed = read('tar', ['-t', '--quoting-style=escape'], whole).toString('latin1')
    expect(listed.trimEnd().split('\n')).toHaveLength(places.size)
  }
}, 60_000)

test('a group gives its files to GNU tar with their content, also one that a later save wrote', async () => {
  const base = newDirectory()
  const directory = join(base, 'pod', 'venv')
  mkdirSync(directory, { recursive: true })
  makeTree(directory)
  const store = await openStore(`file://${base}/store`, { env: {} })
  await saveTree({ store, name, directory })
  const before = globSync('store/chunks/*/*', { cwd: base })
  tick()
  writeFileSync(join(directory, 'bin/private'), 'changed')
  writeFileSync(join(directory, 'new\nline'), 'changed, too')
  await saveTree({ store, name, directory })
  const later = globSync('store/chunks/*/*', { cwd: base }).filter((path) => !before.includes(path))
  expect(later).toHaveLength(1)
  const out = join(base, 'out')
  mkdirSync(out)
  for (const path of later) {
    const plain = read('zstd', ['-dcq'], readFileSync(join(base, path)))
    read('tar', ['-x', '--no-same-owner', '-C', out], plain)
  }
  const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(out, path)).isFile(),
  )
  expect(files.toSorted()).toEqual(['bin/private', 'new\nline'])
  for (const path of files)
    expect(readFileSync(join(out, path)).equals(readFileSync(join(directory, path)))).toBe(true)
  expect(readFileSync(join(out, 'new\nline'), 'utf8')).toBe('changed, too')
})
