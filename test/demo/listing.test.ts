import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compareListings, listTree } from './listing.ts'

test.each<[change: string, differs: string, apply: (tree: string) => void]>([
  ['a byte', 'tree/a: content', (tree) => rewrite(`${tree}/a`, 'A')],
  ['a mode', 'tree/a: mode', (tree) => fs.chmodSync(`${tree}/a`, 0o600)],
  ['a millisecond', 'tree/a: modified', (tree) => fs.utimesSync(`${tree}/a`, 1, 1.001)],
  ['a hard link', 'tree/b: hardLink', (tree) => replace(`${tree}/b`, 'a')],
  ['a link’s target', 'tree/link: content', (tree) => relink(`${tree}/link`, 'b')],
  ['an empty directory', 'tree/empty: missing', (tree) => fs.rmdirSync(`${tree}/empty`)],
  ['one file too many', 'tree/c: added', (tree) => fs.writeFileSync(`${tree}/c`, '')],
])('a listing shows %s that did not come back', (_, differs, apply) => {
  const root = makeTree()
  const before = listTree(root, ['tree'])
  expect(compareListings(before, listTree(root, ['tree']))).toEqual([])
  apply(`${root}/tree`)
  const differences = compareListings(before, listTree(root, ['tree']))
  expect(differences.map((line) => line.split(' was ')[0])).toContain(differs)
})

test('a listing looks behind a directory that is a link', () => {
  const root = makeTree()
  const before = listTree(root, ['tree'])
  fs.renameSync(`${root}/tree`, `${root}/volume`)
  fs.symlinkSync(`${root}/volume`, `${root}/tree`)
  expect(compareListings(before, listTree(root, ['tree']))).toEqual([])
})

function makeTree(): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-listing-'))
  onTestFinished(() => fs.rmSync(root, { recursive: true }))
  fs.mkdirSync(`${root}/tree/empty`, { recursive: true })
  fs.writeFileSync(`${root}/tree/a`, 'a', { mode: 0o644 })
  fs.linkSync(`${root}/tree/a`, `${root}/tree/b`)
  fs.symlinkSync('a', `${root}/tree/link`)
  fs.utimesSync(`${root}/tree/a`, 1, 1)
  return root
}

function rewrite(file: string, text: string): void {
  const { mtime } = fs.statSync(file)
  fs.writeFileSync(file, text)
  fs.utimesSync(file, mtime, mtime)
}

function replace(file: string, text: string): void {
  fs.rmSync(file)
  fs.writeFileSync(file, text)
}

function relink(file: string, target: string): void {
  fs.rmSync(file)
  fs.symlinkSync(target, file)
}
