import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compareTrees, listTree, takeCensus } from './census.ts'

test('a census counts what decides over the time of a restore', () => {
  const root = makeTree()
  expect(takeCensus(listTree(root))).toEqual({
    files: 3,
    directories: 2,
    links: 1,
    bytes: 5 + 20_000 + 5 * 2 ** 20,
    smallFiles: 1,
    smallBytes: 5,
    bigFiles: 1,
    bigBytes: 5 * 2 ** 20,
    mostInOne: 2,
  })
})

test.each<[what: string, change: (root: string) => void]>([
  ['1 files missing', (root) => fs.rmSync(`${root}/a`)],
  ['1 links missing', (root) => fs.rmSync(`${root}/folder/link`)],
  ['1 directories missing', (root) => fs.rmdirSync(`${root}/empty`)],
  ['1 sizes changed', (root) => fs.truncateSync(`${root}/a`, 1)],
  ['1 modes changed', (root) => fs.chmodSync(`${root}/a`, 0o600)],
  ['1 times changed', (root) => fs.utimesSync(`${root}/a`, 1, 1)],
  ['1 added', (root) => fs.writeFileSync(`${root}/b`, '')],
])('a comparison says: %s', (what, change) => {
  const root = makeTree()
  const wanted = listTree(root)
  expect(compareTrees(wanted, listTree(root))).toEqual([])
  change(root)
  expect(compareTrees(wanted, listTree(root))).toEqual([what])
})

function makeTree(): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'berth-census-'))
  onTestFinished(() => fs.rmSync(root, { recursive: true }))
  for (const name of ['folder', 'empty']) fs.mkdirSync(`${root}/${name}`)
  fs.writeFileSync(`${root}/a`, 'berth', { mode: 0o644 })
  fs.writeFileSync(`${root}/folder/b`, Buffer.alloc(20_000))
  fs.writeFileSync(`${root}/folder/c`, '')
  fs.truncateSync(`${root}/folder/c`, 5 * 2 ** 20)
  fs.symlinkSync('c', `${root}/folder/link`)
  return root
}
