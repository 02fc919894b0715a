import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { cacheFolder } from '../cache.ts'

/** How one of the trees is made. */
export interface Recipe {
  name: string
  /** Whatever changes the tree; a tree in the cache with other words is not used. */
  words: readonly string[]
  /** Fills the folder that is given, which is there and empty. */
  make: (folder: string) => void | Promise<void>
}

/**
 * The tree of a recipe, made when the cache does not hold it. It lies alone in a folder, because Berth's own state lies beside a
 * tree. Made in place, because a venv knows its path; a marker says that it is whole.
 */
export async function openTree({ name, words, make }: Recipe): Promise<string> {
  const digest = createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 8)
  const folder = path.join(cacheFolder('trees'), `${name}-${digest}`)
  const tree = path.join(folder, 'tree')
  const marker = path.join(folder, 'whole')
  if (fs.existsSync(marker)) return tree
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(tree, { recursive: true })
  process.stderr.write(`Making the ${name} tree in ${tree} …\n`)
  await make(tree)
  fs.writeFileSync(marker, `${words.join('\n')}\n`)
  return tree
}
