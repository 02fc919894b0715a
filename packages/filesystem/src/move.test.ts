import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mayMount, requirement } from '@berth/core/testing'
import { afterEach, expect, test } from 'vitest'
import { moveTree } from './index.ts'

const mounted: string[] = []
const mountTest = requirement('mount', mayMount())

afterEach(() => {
  for (const directory of mounted.splice(0).toReversed())
    execFileSync('umount', ['--lazy', directory])
})

/** An overlay as Docker mounts it, with a directory `image` from its lower layer. */
function mountOverlay(): string {
  const base = mkdtempSync(join(tmpdir(), 'berth-overlay-'))
  // The upper layer must not lie on an overlay itself.
  mount(['-t', 'tmpfs', '-o', 'size=16m', 'berth-test', base])
  const at = (path: string) => join(base, path)
  for (const path of ['lower/image/deep/deeper', 'upper', 'work', 'merged'])
    mkdirSync(at(path), { recursive: true })
  for (const name of ['one', 'deep/two', 'deep/deeper/three', 'deep/deeper/four'])
    writeFileSync(at(`lower/image/${name}`), name)
  writeFileSync(Buffer.concat([Buffer.from(at('lower/image/raw-')), Buffer.from([0xff])]), 'raw')
  symlinkSync('nowhere', at('lower/image/deep/link'))
  chmodSync(at('lower/image/deep'), 0o750)
  const layers = `lowerdir=${at('lower')},upperdir=${at('upper')},workdir=${at('work')}`
  mount(['-t', 'overlay', '-o', `redirect_dir=off,${layers}`, 'berth-test', at('merged')])
  writeFileSync(at('merged/image/deep/added'), 'added')
  utimesSync(at('merged/image/deep'), 1_500_000_000, 1_500_000_000)
  return at('merged')
}

function mount(words: string[]): void {
  execFileSync('mount', words)
  mounted.push(words.at(-1) as string)
}

const WHOLE = ['deep', 'deep/added', 'deep/deeper', 'deep/deeper/four', 'deep/deeper/three'].concat(
  ['deep/link', 'deep/two', 'one', 'raw-\xff'],
)

function namesIn(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'latin1' }) as string[]
  return names.toSorted()
}

test('renames a directory where the file system lets it', async () => {
  const base = mkdtempSync(join(tmpdir(), 'berth-move-'))
  mkdirSync(join(base, 'a'))
  const { ino } = lstatSync(join(base, 'a'))
  await moveTree(join(base, 'a'), join(base, 'b'))
  expect(lstatSync(join(base, 'b')).ino).toBe(ino)
})

mountTest('moves a directory that the image brings', async () => {
  const merged = mountOverlay()
  await moveTree(join(merged, 'image'), join(merged, 'aside'))
  expect(readdirSync(merged)).toEqual(['aside'])
  expect(namesIn(join(merged, 'aside'))).toEqual(WHOLE)
  expect(readFileSync(join(merged, 'aside/deep/deeper/three'), 'utf8')).toBe('deep/deeper/three')
  const { mode, mtimeMs } = lstatSync(join(merged, 'aside/deep'))
  expect([mode & 0o7777, mtimeMs]).toEqual([0o750, 1_500_000_000_000])
})

mountTest('puts all back when something is in the way of the last step', async () => {
  const merged = mountOverlay()
  const disk = join(merged, 'image/deep/disk')
  mkdirSync(disk)
  mount(['-t', 'tmpfs', 'berth-test', disk])
  const moved = moveTree(join(merged, 'image'), join(merged, 'aside'))
  await expect(moved).rejects.toMatchObject({ code: 'filesystem/mounted-below' })
  expect(readdirSync(merged)).toEqual(['image'])
  execFileSync('umount', [disk])
  mounted.pop()
  // As full as it gets: what the image brings can't be copied.
  writeFileSync(join(merged, 'image/big'), '')
  const big = join(merged, '../lower/image/zbig')
  writeFileSync(big, Buffer.alloc(3_000_000))
  fill(join(merged, 'filler'))
  const full = moveTree(join(merged, 'image'), join(merged, 'aside'))
  await expect(full).rejects.toMatchObject({ code: 'ENOSPC' })
  expect(readdirSync(merged)).toEqual(['filler', 'image'])
  expect(namesIn(join(merged, 'image'))).toEqual([...WHOLE, 'big', 'deep/disk', 'zbig'].toSorted())
})

/** All but a megabyte. */
function fill(path: string): void {
  let bytes = 64 * 1024 * 1024
  for (; bytes > 1_000_000; bytes = Math.floor(bytes * 0.9)) {
    try {
      writeFileSync(path, Buffer.alloc(bytes))
      return
    } catch {
      rmSync(path)
    }
  }
}

mountTest(
  'a move that is killed at any rename is ended by the same call, with what was made meanwhile',
  async () => {
    const index = fileURLToPath(new URL('./index.ts', import.meta.url))
    let killed = 0
    for (let cut = 0; cut < 20; cut++) {
      const merged = mountOverlay()
      const [from, to] = [join(merged, 'image'), join(merged, 'aside')]
      const script = join(merged, '../killed.ts')
      writeFileSync(
        script,
        `import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
const { rename } = promises
let moves = 0
promises.rename = async (from, to) => {
  if (moves++ === ${cut}) process.kill(process.pid, 'SIGKILL')
  return rename(from, to)
}
syncBuiltinESMExports()
const { moveTree } = await import(${JSON.stringify(index)})
await moveTree('${from}', '${to}')`,
      )
      const child = spawn(process.execPath, [script], { stdio: 'inherit' })
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
      if (signal !== 'SIGKILL') {
        expect(namesIn(to)).toEqual(WHOLE)
        break
      }
      killed++
      mkdirSync(join(from, 'deep'), { recursive: true })
      if (!existsSync(join(from, 'deep/added'))) writeFileSync(join(from, 'deep/added'), 'made')
      await moveTree(from, to)
      expect(existsSync(from)).toBe(false)
      expect(namesIn(to)).toEqual(expect.arrayContaining(WHOLE))
      const texts = namesIn(to).flatMap((name) =>
        name.includes('added') ? [readFileSync(join(to, name), 'utf8')] : [],
      )
      expect(texts[0]).toBe('added')
    }
    expect(killed).toBeGreaterThan(8)
  },
  60_000,
)
