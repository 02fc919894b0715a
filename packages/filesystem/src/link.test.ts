import {
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { linkDirectory } from './link.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test('makes a link with its parents, and is content with one that is right', async () => {
  const directory = makeTemporaryDirectory()
  const at = join(directory, 'ComfyUI/custom_nodes')
  expect(await linkDirectory({ at, target: '/volume/nodes' })).toEqual({
    changed: true,
    previous: undefined,
  })
  expect(await linkDirectory({ at, target: '/volume/nodes' })).toEqual({
    changed: false,
    previous: undefined,
  })
  expect(readlinkSync(at)).toBe('/volume/nodes')
})

test('replaces a link and says where it pointed', async () => {
  const directory = makeTemporaryDirectory()
  const at = join(directory, 'venv')
  symlinkSync('/old', at)
  expect(await linkDirectory({ at, target: '/new' })).toEqual({ changed: true, previous: '/old' })
  expect(readlinkSync(at)).toBe('/new')
  expect(readdirSync(directory)).toEqual(['venv'])
})

test('never replaces a directory, an empty one neither, nor a file', async () => {
  const directory = makeTemporaryDirectory()
  mkdirSync(join(directory, 'full'))
  writeFileSync(join(directory, 'full/file'), 'kept')
  mkdirSync(join(directory, 'empty'))
  for (const name of ['full', 'empty', 'full/file']) {
    await expect(
      linkDirectory({ at: join(directory, name), target: '/new' }),
    ).rejects.toMatchObject({
      code: 'filesystem/not-a-link',
    })
  }
  expect(readFileSync(join(directory, 'full/file'), 'utf8')).toBe('kept')
})

test.each(['pod/venv', 'pod/venv/inner', 'alias/venv'])(
  'refuses a link from pod/venv to %s',
  async (target) => {
    const directory = makeTemporaryDirectory()
    mkdirSync(join(directory, 'pod'))
    symlinkSync('pod', join(directory, 'alias'))
    const attempt = linkDirectory({
      at: join(directory, 'pod/venv'),
      target: join(directory, target),
    })
    await expect(attempt).rejects.toMatchObject({ code: 'filesystem/self-link' })
    expect(readdirSync(join(directory, 'pod'))).toEqual([])
  },
)

test('always shows one of the two targets while it changes', async () => {
  const at = join(makeTemporaryDirectory(), 'venv')
  await linkDirectory({ at, target: '/0' })
  let isDone = false
  const changing = (async () => {
    for (let round = 1; round < 60; round += 1) await linkDirectory({ at, target: `/${round % 2}` })
    isDone = true
  })()
  const seen = new Set<string>()
  while (!isDone) {
    seen.add(readlinkSync(at))
    await new Promise(setImmediate)
  }
  await changing
  expect([...seen].toSorted()).toEqual(['/0', '/1'])
})
