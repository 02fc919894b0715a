import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isInside, resolveReal } from './paths.ts'
import { makeTemporaryDirectory } from './testing/tree.ts'

test.each([
  ['/a/b', '/a', true],
  ['/a/b/c', '/a', true],
  ['/a', '/', true],
  ['/a/..b', '/a', true],
  ['/a', '/a', false],
  ['/a/', '/a', false],
  ['/ab', '/a', false],
  ['/a', '/a/b', false],
  ['/a/b/../..', '/a', false],
  ['/b', '/a', false],
])('%s inside %s: %s', (child, parent, answer) => {
  expect(isInside(child, parent)).toBe(answer)
})

test('follows links on the way to what does not exist yet', async () => {
  const directory = realpathSync(makeTemporaryDirectory())
  mkdirSync(join(directory, 'real'))
  symlinkSync('real', join(directory, 'link'))
  symlinkSync('link/new', join(directory, 'dangling'))
  expect(await resolveReal(join(directory, 'link'))).toBe(join(directory, 'real'))
  expect(await resolveReal(join(directory, 'link/a/b'))).toBe(join(directory, 'real/a/b'))
  expect(await resolveReal(join(directory, 'dangling/x'))).toBe(join(directory, 'real/new/x'))
  expect(await resolveReal('/')).toBe('/')
})

test('says that links run in a circle', async () => {
  const directory = makeTemporaryDirectory()
  symlinkSync('two', join(directory, 'one'))
  symlinkSync('one', join(directory, 'two'))
  await expect(resolveReal(join(directory, 'one/x'))).rejects.toMatchObject({
    code: 'filesystem/link-loop',
  })
})
