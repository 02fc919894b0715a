import { expect, test } from 'vitest'
import { encodeColumns } from './column-encode.ts'
import { readColumns } from './manifest-columns.ts'
import { encodeTree } from './manifest-tree.ts'
import type { StoredFile } from './manifest.ts'
import type { Tree } from './tree.ts'

const owned = { mode: 0o644, uid: 0, gid: 1000, mtime: 1_700_000_000_000_001 }

function file(path: string, more: Partial<StoredFile> = {}): StoredFile {
  return { path, ...owned, size: 0, sparse: false, place: { kind: 'empty' }, ...more }
}

const tree: Tree<StoredFile> = {
  directories: ['', 'a', 'a/b', 'c'].map((path, index) => ({
    path,
    ...owned,
    mode: 0o755,
    mtime: owned.mtime - 3 * index,
  })),
  files: [
    file('x.cpython-311.pyc', {
      size: 700,
      place: { kind: 'group', chunk: 1, frame: 0, offset: 512 },
    }),
    file('y.cpython-311.pyc', {
      size: 5,
      place: { kind: 'group', chunk: 1, frame: 0, offset: 2048, member: 'old/y' },
    }),
    file('a/empty', { mode: 0o600 }),
    file('a/b/long', {
      size: 40_000_000,
      sparse: true,
      place: { kind: 'segments', chunks: [0, 2, 3] },
    }),
    file('c/z', { size: 9, uid: 7, place: { kind: 'group', chunk: 4, frame: 2, offset: 4096 } }),
  ],
  links: [{ path: 'a/link', target: '../x', uid: 0, gid: 0, mtime: 5 }],
  hardLinks: [{ path: 'c/again', to: 'a/b/long' }],
  leftOut: [{ path: 'c/socket', reason: 'socket' }],
}

test('writes columns as it writes the tree that they hold', () => {
  const encoded = encodeTree(tree)
  expect(encodeColumns(readColumns(encoded))).toEqual(encoded)
})

test('leaves names that are not UTF-8 to those who have the paths', () => {
  for (const odd of [
    { ...tree, files: [...tree.files, file('c/\uDCFF')] },
    { ...tree, links: [{ path: 'c/\uDC80', target: 'a', uid: 0, gid: 0, mtime: 0 }] },
    { ...tree, hardLinks: [{ path: 'c/\uDC80', to: 'c/z' }] },
    { ...tree, directories: [...tree.directories, { ...owned, path: 'd\uDC80' }] },
  ])
    expect(encodeColumns(readColumns(encodeTree(odd)))).toBeUndefined()
})
