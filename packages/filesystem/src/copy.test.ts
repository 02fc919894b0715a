import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { copyTree } from './copy.ts'
import { toSeconds } from './copy-metadata.ts'
import { temporaryName } from './temporary.ts'
import { missingMounts, runProgram, runWithMounts } from './testing/program.ts'
import { describeTree, makeTemporaryDirectory, makeTree } from './testing/tree.ts'

/** A tree at `from`, and a place for its copy in a directory of its own. */
function makePlaces(): { from: string; parent: string; to: string } {
  const directory = makeTemporaryDirectory()
  const [from, parent] = [join(directory, 'from'), join(directory, 'volume')]
  mkdirSync(from)
  mkdirSync(parent)
  return { from, parent, to: join(parent, 'venv') }
}

test('copies everything that a tree can hold, and counts it', async () => {
  const { from, parent, to } = makePlaces()
  makeTree(from)
  const before = await describeTree(from)
  const progress: { files: number; bytes: number }[] = []
  const copied = await copyTree({ from, to, onProgress: (now) => progress.push(now) })
  const bytes = 10 + 6 + 0 + 3 + 20 * 1024 * 1024 + 4
  expect(copied).toEqual({ result: 'copied', files: 7, bytes, changing: [], leftOut: [] })
  expect(await describeTree(to)).toEqual(before)
  expect(await describeTree(from)).toEqual(before)
  expect(readdirSync(parent)).toEqual(['venv'])
  expect(progress.at(-1)).toEqual({ files: 7, bytes })
  expect(progress.length).toBeGreaterThan(20)
})

test('keeps the holes of a file', async () => {
  const { from, to } = makePlaces()
  makeTree(from)
  await copyTree({ from, to })
  expect(statSync(join(to, 'big')).blocks * 512).toBeLessThan(2 * 1024 * 1024)
})

test('keeps owners and set-id bits where the user may', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'root: only root gives files away')
  const { from, to } = makePlaces()
  makeTree(from)
  chownSync(join(from, 'bin/python'), 1234, 5678)
  chownSync(from, 1234, 5678)
  execFileSync('chmod', ['4755', join(from, 'bin/python')])
  await copyTree({ from, to })
  expect(await describeTree(to)).toEqual(await describeTree(from))
})

test('takes set-id bits away from a file that it can not give its owner', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'root: only root gives files away')
  const { from, to } = makePlaces()
  writeFileSync(join(from, 'file'), '')
  chownSync(join(from, 'file'), 1234, 5678)
  execFileSync('chmod', ['6755', join(from, 'file')])
  const { code } = await runProgram({
    script: 'await filesystem.copyTree(values)',
    values: { from, to },
    wrapper: ['setpriv', '--bounding-set=-chown'],
  })
  const { uid, gid, mode } = statSync(join(to, 'file'))
  expect({ code, uid, gid, mode }).toEqual({ code: 0, uid: 0, gid: 0, mode: 0o100755 })
})

test('makes a copy of a copy that is the same to the nanosecond', async () => {
  const { from, parent, to } = makePlaces()
  for (const index of [1, 2, 3, 4, 5, 6, 7, 8, 9]) writeFileSync(join(from, `${index}`), '')
  await copyTree({ from, to })
  await copyTree({ from: to, to: join(parent, 'again') })
  const times = (directory: string) =>
    readdirSync(directory).map((name) => statSync(join(directory, name), { bigint: true }).mtimeNs)
  expect(times(join(parent, 'again'))).toEqual(times(to))
})

test('gives a copy the times of the original to the microsecond', async () => {
  const { from, to } = makePlaces()
  const times = Array.from(
    { length: 100 },
    (_, index) => 1_795_223_676_434_207_000n + BigInt(index * 37),
  )
  const script = times.map(
    (time, index) => `touch -d @${time / 10n ** 9n}.${time % 10n ** 9n} ${index}`,
  )
  execFileSync('sh', ['-ec', script.join('\n')], { cwd: from })
  await copyTree({ from, to })
  const micros = (directory: string) =>
    readdirSync(directory).map((name) => Math.round(statSync(join(directory, name)).mtimeMs * 1000))
  expect(micros(to)).toEqual(micros(from))
})

test.each([
  [1_700_000_000_999_999_999n, 1_700_000_000],
  [1_700_000_000_999_999_900n, 1_700_000_000],
  [1_700_000_000_000_000_000n, 1_700_000_000],
  [0n, 0],
])('never rounds a time of %d ns up to the next second', (nanoseconds, seconds) => {
  expect(Math.floor(toSeconds(nanoseconds))).toBe(seconds)
})

test('says what it leaves out', async () => {
  const { from, to } = makePlaces()
  execFileSync('mkfifo', [join(from, 'pipe')])
  writeFileSync(join(from, 'file'), 'x')
  expect(await copyTree({ from, to })).toMatchObject({
    result: 'copied',
    files: 1,
    leftOut: ['pipe'],
  })
  expect(readdirSync(to)).toEqual(['file'])
})

test('takes the place of an empty directory and of nothing else', async () => {
  const { from, parent } = makePlaces()
  writeFileSync(join(from, 'file'), 'new')
  const at = (name: string) => join(parent, name)
  mkdirSync(at('empty'))
  mkdirSync(at('full'))
  writeFileSync(at('full/mine'), 'old')
  writeFileSync(at('file'), 'old')
  symlinkSync('empty', at('link'))
  symlinkSync('nowhere', at('dangling'))
  for (const name of ['full', 'file', 'link', 'dangling']) {
    expect(await copyTree({ from, to: at(name) })).toMatchObject({ result: 'exists', files: 0 })
  }
  expect(await copyTree({ from, to: at('empty') })).toMatchObject({ result: 'copied', files: 1 })
  expect(await copyTree({ from, to: at('deep/er') })).toMatchObject({ result: 'copied' })
  expect(readdirSync(parent)).toEqual(['dangling', 'deep', 'empty', 'file', 'full', 'link'])
  expect(readFileSync(at('full/mine'), 'utf8')).toBe('old')
})

test('copies an empty tree, and one that is given by a link', async () => {
  const { from, parent, to } = makePlaces()
  expect(await copyTree({ from, to })).toMatchObject({ result: 'copied', files: 0, bytes: 0 })
  writeFileSync(join(from, 'file'), 'x')
  symlinkSync(from, join(parent, 'link'))
  await copyTree({ from: join(parent, 'link'), to: join(parent, 'second') })
  expect(readdirSync(join(parent, 'second'))).toEqual(['file'])
})

test('refuses to copy a tree into itself, onto itself, or what is no directory', async () => {
  const { from, parent } = makePlaces()
  symlinkSync(from, join(parent, 'alias'))
  writeFileSync(join(parent, 'file'), '')
  const codeOf = (source: string, to: string) =>
    copyTree({ from: source, to }).then(
      () => 'copied',
      (error) => error.code,
    )
  expect(await codeOf(from, join(from, 'inner/copy'))).toBe('filesystem/nested')
  expect(await codeOf(from, join(parent, 'alias/copy'))).toBe('filesystem/nested')
  expect(await codeOf(from, from)).toBe('filesystem/nested')
  expect(await codeOf(join(from, 'absent'), join(parent, 'x'))).toBe('filesystem/not-a-directory')
  expect(await codeOf(join(parent, 'file'), join(parent, 'x'))).toBe('filesystem/not-a-directory')
  expect(await codeOf(from, '/usr')).toBe('filesystem/system-root')
  expect(readdirSync(from)).toEqual([])
})

test('lets exactly one of many copies at once have the place, whole', async () => {
  const { from, parent, to } = makePlaces()
  makeTree(from)
  const copies = await Promise.all(Array.from({ length: 5 }, () => copyTree({ from, to })))
  expect(copies.map(({ result }) => result).toSorted()).toEqual([
    'copied',
    ...Array.from({ length: 4 }, () => 'exists'),
  ])
  expect(await describeTree(to)).toEqual(await describeTree(from))
  expect(readdirSync(parent)).toEqual(['venv'])
})

test('lets one of two processes have the place, in every round', { timeout: 60_000 }, async () => {
  const { from, parent } = makePlaces()
  makeTree(from)
  for (let round = 0; round < 5; round += 1) {
    const to = join(parent, `venv-${round}`)
    const script = `console.log((await filesystem.copyTree(values)).result)`
    const ends = await Promise.all([1, 2].map(() => runProgram({ script, values: { from, to } })))
    expect(ends.map(({ output }) => output.trim()).toSorted()).toEqual(['copied', 'exists'])
    expect(await describeTree(to)).toEqual(await describeTree(from))
  }
  expect(readdirSync(parent)).toHaveLength(5)
})

test('stops within a second of an abort, in the middle of a big file, and leaves nothing', async () => {
  const { from, parent, to } = makePlaces()
  makeTree(from)
  // Far more than a second's worth, without using the disk.
  truncateSync(join(from, 'big'), 2 ** 38)
  const stop = new AbortController()
  const reason = new Error('enough')
  let abortedAt = 0
  const onProgress = ({ bytes }: { bytes: number }) => {
    if (bytes < 50_000_000 || abortedAt > 0) return
    abortedAt = performance.now()
    stop.abort(reason)
  }
  await expect(copyTree({ from, to, signal: stop.signal, onProgress })).rejects.toBe(reason)
  expect(performance.now() - abortedAt).toBeLessThan(5000)
  expect(readdirSync(parent)).toEqual([])
  await expect(copyTree({ from, to, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
})

test('copies a file again that changed meanwhile', async () => {
  const { from, to } = makePlaces()
  writeFileSync(join(from, 'a'), Buffer.alloc(30_000_000, 'a'))
  let changes = 0
  const onProgress = ({ bytes }: { bytes: number }) => {
    if (bytes < 10_000_000 || changes > 0) return
    changes += 1
    appendFileSync(join(from, 'a'), 'b')
  }
  const { changing, bytes } = await copyTree({ from, to, onProgress })
  expect({ changing, bytes, changes }).toEqual({ changing: [], bytes: 30_000_001, changes: 1 })
  expect(readFileSync(join(to, 'a')).equals(readFileSync(join(from, 'a')))).toBe(true)
})

test('names what was changing all the time, and what vanished', async () => {
  const { from, to } = makePlaces()
  writeFileSync(join(from, 'a.log'), Buffer.alloc(20_000_000, 'a'))
  for (let index = 0; index < 100; index += 1) writeFileSync(join(from, `b${index}`), 'b')
  writeFileSync(join(from, 'z'), 'z')
  let isGone = false
  const onProgress = () => {
    appendFileSync(join(from, 'a.log'), 'b')
    if (!isGone) rmSync(join(from, 'z'))
    isGone = true
  }
  const { result, changing } = await copyTree({ from, to, onProgress })
  expect(result).toBe('copied')
  expect(changing.toSorted()).toEqual(['a.log', 'z'])
  expect(existsSync(join(to, 'z'))).toBe(false)
})

test.each(['cut', 'gone', 'added'])(
  'finds by reading it again that a file of the copy is %s',
  async (damage) => {
    const { from, parent, to } = makePlaces()
    makeTree(from)
    let isDamaged = false
    const onProgress = ({ bytes }: { bytes: number }) => {
      // The big file is under way; the small one before it is finished.
      const half = join(parent, readdirSync(parent)[0] ?? '')
      if (isDamaged || bytes < 15_000_000) return
      isDamaged = true
      if (damage === 'cut') writeFileSync(join(half, '.hidden'), 'longer')
      else if (damage === 'gone') rmSync(join(half, '.hidden'))
      else writeFileSync(join(half, 'lib-not-ours'), '')
    }
    const attempt = copyTree({ from, to, onProgress })
    await expect(attempt).rejects.toMatchObject({ code: 'filesystem/copy-differs' })
    expect(readdirSync(parent)).toEqual([])
  },
)

test('removes what a killed copy left an hour ago, and leaves a younger one', async () => {
  const { from, parent, to } = makePlaces()
  const [old, young, other] = [
    temporaryName(to, 'copy'),
    temporaryName(to, 'copy'),
    temporaryName(join(parent, 'x'), 'copy'),
  ]
  for (const path of [old, young, other]) mkdirSync(path)
  writeFileSync(join(old, 'half'), 'x')
  const anHourAgo = Date.now() / 1000 - 3700
  utimesSync(old, anHourAgo, anHourAgo)
  utimesSync(other, anHourAgo, anHourAgo)
  await copyTree({ from, to })
  expect([old, young, other].map((path) => existsSync(path))).toEqual([false, true, true])
})

test('says that the disk is full, and leaves it as it was', async ({ skip }) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const { from, parent } = makePlaces()
  writeFileSync(join(from, 'big'), Buffer.alloc(3_000_000, 'x'))
  writeFileSync(join(from, 'small'), 'x')
  const found = await runWithMounts(
    `mount -t tmpfs -o size=2m none '${parent}'`,
    `const error = await filesystem.copyTree(values).catch((error) => error)
     const { readdirSync } = await import('node:fs')
     console.log(JSON.stringify([error.code, error.message, readdirSync(values.parent)]))`,
    { from, to: join(parent, 'venv'), parent },
  )
  const message = `could not copy \`${from}\` to \`${join(parent, 'venv')}\`: no space is left on the disk`
  expect(found).toEqual(['filesystem/no-room', expect.stringContaining(message), []])
})
