import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { recoverSwap, swapDirectory } from './swap.ts'
import {
  killAtCall,
  missingMounts,
  missingStrace,
  runProgram,
  runWithMounts,
  wasKilled,
} from './testing/program.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

/** A parent with a finished `staged` and the given thing at `venv`. */
function makePlace(kind: 'absent' | 'empty' | 'full' | 'link' | 'file'): {
  parent: string
  staged: string
  at: string
} {
  const parent = makeTemporaryDirectory()
  const [staged, at] = [join(parent, '.berth/staging'), join(parent, 'venv')]
  mkdirSync(staged, { recursive: true })
  for (const name of ['one', 'two']) writeFileSync(join(staged, name), 'new')
  if (kind === 'empty' || kind === 'full') mkdirSync(at)
  if (kind === 'full') writeFileSync(join(at, 'mine'), 'old')
  if (kind === 'link') symlinkSync('/volume/venv', at)
  if (kind === 'file') writeFileSync(at, 'old')
  return { parent, staged, at }
}

test.each(['absent', 'empty'] as const)(
  'puts a directory where there is nothing (%s)',
  async (kind) => {
    const { parent, staged, at } = makePlace(kind)
    expect(await swapDirectory({ staged, at })).toEqual({
      aside: undefined,
      replacedLink: undefined,
    })
    expect(readdirSync(at)).toEqual(['one', 'two'])
    expect(readdirSync(parent)).toEqual(['.berth', 'venv'])
  },
)

test('sets a directory aside, with everything in it', async () => {
  const { staged, at } = makePlace('full')
  const { aside } = await swapDirectory({ staged, at })
  expect(aside).toMatch(/venv\.berth-aside-\d{8}T\d{6}Z$/)
  expect(readFileSync(join(aside ?? '', 'mine'), 'utf8')).toBe('old')
  expect(readdirSync(at)).toEqual(['one', 'two'])
})

test('sets a file aside, where the caller wants it', async () => {
  const { parent, staged, at } = makePlace('file')
  const aside = join(parent, 'elsewhere')
  expect(await swapDirectory({ staged, at, aside })).toEqual({ aside, replacedLink: undefined })
  expect(readFileSync(aside, 'utf8')).toBe('old')
})

test('replaces a link and says where it pointed', async () => {
  const { staged, at } = makePlace('link')
  expect(await swapDirectory({ staged, at })).toEqual({
    aside: undefined,
    replacedLink: '/volume/venv',
  })
  expect(readdirSync(at)).toEqual(['one', 'two'])
})

test('never puts anything over what was set aside before', async () => {
  const { parent, staged, at } = makePlace('full')
  const aside = join(parent, 'aside')
  writeFileSync(aside, 'older')
  await expect(swapDirectory({ staged, at, aside })).rejects.toMatchObject({
    code: 'filesystem/aside-taken',
  })
  expect([readFileSync(aside, 'utf8'), readdirSync(at)]).toEqual(['older', ['mine']])
})

test('leaves everything as it was when the staged directory can not go there', async () => {
  const { parent, staged, at } = makePlace('full')
  // A directory can't be moved into itself.
  mkdirSync(join(staged, 'inner'))
  renameSync(at, join(staged, 'inner/venv'))
  const attempt = swapDirectory({ staged, at: join(staged, 'inner/venv') })
  await expect(attempt).rejects.toMatchObject({ code: 'EINVAL' })
  expect(readdirSync(join(staged, 'inner/venv'))).toEqual(['mine'])
  expect(readdirSync(staged)).toEqual(['inner', 'one', 'two'])
  expect(everyFile(parent).toSorted()).toEqual(['new', 'new', 'old'])
})

test('puts a link back when the staged directory can not take its place', async () => {
  const { staged, at } = makePlace('link')
  mkdirSync(join(staged, 'inner'))
  renameSync(at, join(staged, 'inner/venv'))
  const attempt = swapDirectory({ staged, at: join(staged, 'inner/venv') })
  await expect(attempt).rejects.toMatchObject({ code: 'EINVAL' })
  expect(readlinkSync(join(staged, 'inner/venv'))).toBe('/volume/venv')
})

test('says that a mount point can not be replaced, nor reached from another disk', async ({
  skip,
}) => {
  const missing = missingMounts()
  skip(missing !== undefined, missing)
  const { parent } = makePlace('full')
  const found = await runWithMounts(
    `cd '${parent}'; mkdir other; mount -t tmpfs none other; mkdir other/staged; mount -t tmpfs none venv; touch venv/file`,
    `const codes = []
     for (const [staged, at] of [['.berth/staging', 'venv'], ['other/staged', 'new']]) {
       const places = { staged: values + '/' + staged, at: values + '/' + at }
       codes.push((await filesystem.swapDirectory(places).catch((error) => error)).code)
     }
     console.log(JSON.stringify([codes, await filesystem.readFileIfPresent(values + '/venv/file').then(String)]))`,
    parent,
  )
  expect(found).toEqual([['filesystem/mount-point', 'filesystem/other-file-system'], ''])
})

/** What a swap of `venv` that was killed leaves beside it. */
function record(parent: string, staged: string, aside: string): void {
  const id = createHash('sha256').update('venv').digest('hex').slice(0, 16)
  writeFileSync(join(parent, `.berth/swap-${id}.json`), JSON.stringify({ staged, aside }))
}

test('ends a cut swap forwards, or backwards when the new directory is gone', async () => {
  const forwards = makePlace('full')
  renameSync(forwards.at, join(forwards.parent, 'aside'))
  record(forwards.parent, '.berth/staging', 'aside')
  expect(await recoverSwap(forwards.at)).toEqual({
    result: 'finished',
    aside: join(forwards.parent, 'aside'),
  })
  expect(readdirSync(forwards.at)).toEqual(['one', 'two'])
  expect(await recoverSwap(forwards.at)).toEqual({ result: 'nothing' })

  const backwards = makePlace('full')
  renameSync(backwards.at, join(backwards.parent, 'aside'))
  record(backwards.parent, '.berth/gone', 'aside')
  expect(await recoverSwap(backwards.at)).toEqual({ result: 'taken-back' })
  expect(readdirSync(backwards.at)).toEqual(['mine'])
})

test('leaves what is at the place by now', async () => {
  const { parent, at } = makePlace('full')
  mkdirSync(join(parent, 'aside'))
  record(parent, '.berth/staging', 'aside')
  expect(await recoverSwap(at)).toEqual({ result: 'nothing' })
  expect(readdirSync(at)).toEqual(['mine'])
  expect(existsSync(join(parent, '.berth/staging'))).toBe(true)
})

const kinds = ['absent', 'empty', 'full', 'link', 'file'] as const
const calls = ['mkdir', 'rename', 'fsync', 'unlink', 'symlink']

test(
  'loses nothing when it is killed at any of its changes',
  { timeout: 120_000 },
  async ({ skip }) => {
    const missing = missingStrace()
    skip(missing !== undefined, missing)
    const killEach = async (kind: (typeof kinds)[number]): Promise<number> => {
      let kills = 0
      for (const call of calls) {
        for (let n = 1; await killOnce(kind, killAtCall(call, n)); n += 1) kills += 1
      }
      return kills
    }
    const kills = await Promise.all(kinds.map(killEach))

    expect(kills.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(30)
  },
)

/** Says whether the swap was killed; when it was, checks what it left, and that the next run completes it. */
async function killOnce(kind: (typeof kinds)[number], wrapper: string[]): Promise<boolean> {
  const { parent, staged, at } = makePlace(kind)
  const script = 'await filesystem.swapDirectory(values)'
  const end = await runProgram({ script, values: { staged, at }, wrapper })
  if (end.code === 0) return false
  expect(wasKilled(end)).toBe(true)
  await recoverSwap(at)
  const isPlaced = existsSync(join(at, 'one'))
  // The new tree is whole, in one of the two places, and the old content is in one place too.
  expect(readdirSync(isPlaced ? at : staged)).toEqual(['one', 'two'])
  expect(existsSync(at) || kind !== 'full').toBe(true)
  if (!isPlaced) await swapDirectory({ staged, at })
  expect(readdirSync(at)).toEqual(['one', 'two'])
  const old = everyFile(parent).filter((text) => text === 'old')
  expect(old).toHaveLength(kind === 'full' || kind === 'file' ? 1 : 0)
  expect(readdirSync(join(parent, '.berth')).filter((name) => name.startsWith('swap'))).toEqual([])
  return true
}

function everyFile(parent: string): string[] {
  return readdirSync(parent, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
}
