import { lstatSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@berth/core/testing'
import { expect, test } from 'vitest'
import { mayRetarget, retarget } from './retarget.ts'

test.each([
  [undefined, [], false],
  [undefined, ['/mount/a', '/spool/a'], false],
  ['/mount/a', ['/mount/a', '/spool/a'], true],
  ['/spool/a', ['/mount/a', '/spool/a'], true],
  ['/mount/a/', ['/mount/a', '/spool/a'], false],
  ['/elsewhere', ['/mount/a', '/spool/a'], false],
  ['/mount/a', [], false],
])('a link to %s, where ours are %j, may be turned: %s', (current, ours, may) => {
  expect(mayRetarget(current, ours)).toBe(may)
})

test('turns our links in one step, and leaves what is not ours', async () => {
  const root = await temporaryDirectory()
  const path = join(root, 'output')
  expect(await retarget(path, '/b', ['/a', '/b'])).toBe('foreign')
  symlinkSync('/a', path)
  expect(await retarget(path, '/b', ['/a', '/b'])).toBe('changed')
  expect(readlinkSync(path)).toBe('/b')
  expect(await retarget(path, '/b', ['/a', '/b'])).toBe('same')
  expect(await retarget(path, '/a', ['/x', '/a'])).toBe('foreign')
  expect(readlinkSync(path)).toBe('/b')
  const folder = join(root, 'folder')
  mkdirSync(folder)
  expect(await retarget(folder, '/a', ['/a', '/b'])).toBe('foreign')
  expect(lstatSync(folder).isDirectory()).toBe(true)
})
