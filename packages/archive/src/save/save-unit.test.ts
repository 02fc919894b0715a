import { expect, test } from 'vitest'
import { createSaveUnits } from './save-unit.ts'
import type { FileEntry, HardLinkEntry, Tree } from '../format/tree.ts'

function treeOf(paths: string[], hardLinks: HardLinkEntry[] = []): Tree {
  const files = paths.map((path): FileEntry => {
    return { path, mode: 0o644, uid: 0, gid: 0, mtime: 0, size: 1, sparse: false }
  })
  const above = new Set(paths.flatMap((path) => directoriesAbove(path)))
  const directories = ['', ...[...above].toSorted()].map((path) => {
    return { path, mode: 0o755, uid: 0, gid: 0, mtime: 0 }
  })
  return { directories, files, links: [], hardLinks, leftOut: [] }
}

function directoriesAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

test.each([
  ['venv/bin/python', 'venv'],
  ['venv/lib/python3.11/site-packages/a/b.py', 'venv'],
  ['lib/python3.11/site-packages/a/b.py', ''],
  ['other/site-packages/a/b.py', 'other/site-packages'],
  ['custom_nodes/node/deep/main.py', 'custom_nodes/node'],
  ['cache/models/one/file', 'cache/models'],
  ['cache/file', 'cache'],
])('`%s` belongs to `%s`', (path, unit) => {
  expect(createSaveUnits([treeOf(['venv/pyvenv.cfg', path])], 'pods/data')(path)).toBe(unit)
})

test.each([
  ['n1/a/deep/x', 'n1'],
  ['n1/__init__.py', 'n1'],
  ['n1', 'n1'],
  ['n1/.git/objects/ab/cd', 'n1'],
  ['.disabled/n2/a/deep/x', '.disabled/n2'],
  ['single.py', 'single.py'],
])('in a tree of custom nodes `%s` belongs to `%s`', (path, unit) => {
  expect(createSaveUnits([treeOf([path])], 'comfyui/ComfyUI/custom_nodes')(path)).toBe(unit)
})

test.each([
  ['.git/objects/ab/cd', '.git'],
  ['repository/.git/objects/ab/cd', 'repository/.git'],
  ['apps/one/.git/objects/ab/cd', 'apps/one'],
  ['apps/one/.git', 'apps/one'],
])('of a repository `%s` belongs to `%s`', (path, unit) => {
  expect(createSaveUnits([treeOf([path])], 'pods/data')(path)).toBe(unit)
})

test('a tree that is a venv is one unit', () => {
  expect(createSaveUnits([treeOf(['pyvenv.cfg'])], 'pods/venv')('share/doc/file')).toBe('')
})

test('what hard links join is one unit', () => {
  const unitOf = createSaveUnits(
    [
      treeOf(
        ['a/x/1', 'b/x/1', 'c/x/1'],
        [
          { path: 'b/x/2', to: 'a/x/1' },
          { path: 'c/x/2', to: 'b/x/1' },
        ],
      ),
    ],
    'pods/data',
  )
  expect(new Set(['a/x/1', 'b/x/2', 'c/x/2'].map(unitOf)).size).toBe(1)
  expect(unitOf('d/x/1')).toBe('d/x')
})
