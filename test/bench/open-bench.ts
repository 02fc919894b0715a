import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import type { Arguments } from './arguments.ts'
import type { Bench } from './peers/peer.ts'
import { searchPath } from './programs.ts'
import { startServer } from './server.ts'
import { listTree, takeCensus } from './trees/census.ts'
import { generatedRecipe } from './trees/generated.ts'
import { openTree } from './trees/tree.ts'
import { venvRecipe } from './trees/venv.ts'

/** Makes the tree, starts the server. `close` takes away everything but the cache. */
export async function openBench(
  asked: Arguments,
): Promise<{ bench: Bench; close: () => Promise<void> }> {
  const tree = await openTree(recipeFor(asked))
  const listing = listTree(tree)
  const census = takeCensus(listing)
  const work = fs.mkdtempSync(path.join(chooseFolder(census.bytes), 'berth-bench-'))
  const server = await startServer(work, asked.link)
  const home = path.join(work, 'home')
  fs.mkdirSync(home)
  const all = os.availableParallelism()
  const cores = Math.min(asked.cores ?? all, all)
  const bench: Bench = {
    tree,
    listing,
    census,
    server,
    work,
    env: { ...server.env, PATH: searchPath(), HOME: home, RESTIC_PASSWORD: 'bench' },
    cores,
    processors: cores === all ? '' : `0-${cores - 1}`,
  }
  const close = async (): Promise<void> => {
    await server.close()
    fs.rmSync(work, { recursive: true, force: true })
  }
  return { bench, close }
}

function recipeFor({ tree, quick }: Arguments) {
  if (tree !== 'generated') return venvRecipe(tree)
  return generatedRecipe(quick ? 0.01 : 1)
}

/**
 * Memory, where there is room for the store and an image of the file system: then no disk of the machine is measured, whose speed
 * changes from minute to minute.
 */
function chooseFolder(bytes: number): string {
  const shared = '/dev/shm'
  if (!fs.existsSync(shared)) return os.tmpdir()
  const { bavail, bsize } = fs.statfsSync(shared)
  const room = Math.min(bavail * bsize, os.freemem() * 0.7)
  return room > bytes * STORED_AND_RESTORED ? shared : os.tmpdir()
}

// Plain files, five times compressed, an image and the files in it.
const STORED_AND_RESTORED = 5
