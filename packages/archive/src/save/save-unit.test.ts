import { expect, test } from 'vitest'
import { createSaveUnits } from './save-unit.ts'
import type { FileEntry, HardLinkEntry, Tree } from '../format/tree.ts'

function treeOf(paths: string[], hardLinks: HardLinkEntry[] = []): Tree {
  const files = paths.map((path): FileEntry => {
    return { path, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 1, sparse: false }
  })
  return { directories: [], files, links: [], hardLinks, leftOut: [] }
}

test.each([
  ['venv/bin/python', 'venv'],
  ['venv/lib/python3.11/site-packages/a/b.py', 'venv'],
  ['lib/python3.11/site-packages/a/b.py', ''],
  ['other/site-packages/a/b.py', 'other'],
  ['custom_nodes/node/deep/main.py', 'custom_nodes/node'],
  ['cache/models/one/file', 'cache/models'],
  ['cache/file', 'cache'],
])('`%s` belongs to `%s`', (path, unit) => {
  expect(createSaveUnits([treeOf(['venv/pyvenv.cfg'])])(path)).toBe(unit)
})

test('a tree that is a venv is one unit', () => {
  expect(createSaveUnits([treeOf(['pyvenv.cfg'])])('share/doc/file')).toBe('')
})

test('what hard links join is one unit', () => {
  const unitOf = createSaveUnits([
    treeOf(
      ['a/x/1', 'b/x/1', 'c/x/1'],
      [
        { path: 'b/x/2', to: 'a/x/1' },
        { path: 'c/x/2', to: 'b/x/1' },
      ],
    ),
  ])
  expect(new Set(['a/x/1', 'b/x/2', 'c/x/2'].map(unitOf)).size).toBe(1)
  expect(unitOf('d/x/1')).toBe('d/x')
})
