import * as fs from 'node:fs'
import * as path from 'node:path'
import { createContentMaker } from './content.ts'
import { planTree } from './plan-tree.ts'
import type { Recipe } from './tree.ts'

/** A tree with the census of a venv, for machines without a package index. */
export function generatedRecipe(scale: number): Recipe {
  return {
    name: scale === 1 ? 'generated' : 'small',
    words: ['generated', 'version 1', `scale ${scale}`],
    make: (folder) => writeTree(folder, scale),
  }
}

function writeTree(root: string, scale: number): void {
  const plan = planTree(scale)
  const maker = createContentMaker()
  for (const directory of plan.directories) fs.mkdirSync(path.join(root, directory))
  for (const { path: name, size, kind, mode } of plan.files) {
    const content = Buffer.alloc(size)
    maker.fill(content, kind)
    const file = path.join(root, name)
    fs.writeFileSync(file, content, { mode })
    fs.utimesSync(file, MODIFIED, MODIFIED)
  }
  for (const { path: name, target } of plan.links) fs.symlinkSync(target, path.join(root, name))
}

/** Adds a package as `pip install` would: 250 files, the same ones each time. */
export function addPackage(root: string, folder: string): void {
  const maker = createContentMaker(2)
  fs.mkdirSync(path.join(root, folder))
  for (let index = 0; index < 250; index += 1) {
    const content = Buffer.alloc(100 + 61 * index)
    maker.fill(content, index % 2 === 0 ? 'text' : 'binary')
    fs.writeFileSync(path.join(root, folder, `module_${index}.py`), content)
  }
}

const MODIFIED = new Date('2024-02-03T04:05:06Z')
