import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Pending } from '../driver/driver.ts'
import { readMemory } from './link-folder.ts'
import type { Places } from './places.ts'
import { listMounts, openRegistry, spoolOf, stateOf } from './registry.ts'
import { targetOf } from './retarget.ts'
import { countSpools } from './spool.ts'

/** What can be known of a folder that nothing here stays with, from what lies beside it. */
export interface LeftBehind {
  /** Files in its spool, which perhaps no bucket has: the next link sends them. */
  waiting: Pending
  /** Whoever kept it did not end that: what waits is not known then. */
  isOwned: boolean
  /** Its link is still there. */
  isLink: boolean
  /** It was watched once, and is neither watched now nor unlinked: what came since is not counted. */
  isUnwatched: boolean
}

export async function readLeftBehind(path: string, places: Places): Promise<LeftBehind> {
  const target = await targetOf(path)
  return {
    waiting: await countSpools([{ spool: spoolOf(path) }]),
    isOwned: existsSync(join(stateOf(path), 'owner.json')),
    isLink: target !== undefined && (await readMemory(path)).targets.includes(target),
    isUnwatched: await isUnwatched(path, places),
  }
}

async function isUnwatched(path: string, places: Places): Promise<boolean> {
  for (const key of await listMounts(places)) {
    const registry = openRegistry(places, key)
    if ((await registry.readMount()) !== undefined) continue
    if ((await registry.readStatus())?.driver !== 'watch') continue
    if ((await registry.readLinks()).some((link) => link.path === path)) return true
  }
  return false
}

const mostNames = 5

/** The first names of what waits in a folder. */
export function namesIn(folder: string, { files, names }: Pending): string {
  const shown = names.slice(0, mostNames).map((name) => `\`${relative(folder, name)}\``)
  return `${shown.join(', ')}${files > mostNames ? ', …' : ''}`
}
