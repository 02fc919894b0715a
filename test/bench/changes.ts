import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { addPackage } from './trees/generated.ts'
import type { Listing } from './trees/census.ts'
import { installPackages, ONE_MORE } from './trees/venv.ts'

/** What a user does to a tree between two saves. Gives the changed files back, as paths in the tree. */
export type Change = (tree: string, listing: Listing) => string[]

/** A line more in a source file of ordinary size. */
export const changeOneFile: Change = (tree, listing) => {
  const ordinary = [...listing].find(
    ([name, { type, size }]) =>
      type === 'file' && name.endsWith('.py') && size > 4000 && size < 8000,
  )
  if (ordinary === undefined) throw new Error('the tree has no source file of 4 to 8 KB')
  fs.appendFileSync(path.join(tree, ordinary[0]), '# changed by the user\n')
  return [ordinary[0]]
}

/** One more package: by the tree's own pip, or a generated one where there is no pip. */
export const addOnePackage: Change = (tree, listing) => {
  const before = Date.now() - 1000
  if (listing.has('pyvenv.cfg')) {
    installPackages(tree, ['--no-deps', ONE_MORE])
  } else {
    const site = [...listing.keys()].find((name) => name.endsWith('/site-packages')) ?? ''
    addPackage(tree, `${site}/one_more`)
  }
  return fs
    .readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => fs.statSync(file).ctimeMs > before)
    .map((file) => path.relative(tree, file))
}

/** Bytes of some files in one tar through `zstd -3`: the least that a program sends which packs them. */
export function packedBytes(tree: string, files: readonly string[]): number {
  const input = files.map((file) => `${file}\0`).join('')
  const shell = 'tar -c -C "$0" --null -T - | zstd -3 -c | wc -c'
  return Number(execFileSync('sh', ['-c', shell, tree], { input, encoding: 'utf8' }))
}
