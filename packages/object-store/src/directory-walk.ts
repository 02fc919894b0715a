import type { Dirent } from 'node:fs'
import { opendir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from './directory-error.ts'
import { compareKeys, reservedComponent } from './key.ts'

/** The keys below a root that start with a prefix and come after a key, in key order, one directory in memory at a time. */
export async function* walkKeys(root: string, prefix: string, after = ''): AsyncIterable<string> {
  const slash = prefix.lastIndexOf('/') + 1
  yield* walk({ root, after }, prefix.slice(0, slash), prefix.slice(slash))
}

async function* walk(
  bounds: { root: string; after: string },
  parent: string,
  start: string,
): AsyncIterable<string> {
  const { root, after } = bounds
  const entries: string[] = []
  for (const entry of await readEntries(join(root, parent), parent === '')) {
    if (!entry.startsWith(start)) continue
    if (parent === '' && entry.replace(/\/$/, '') === reservedComponent) continue
    entries.push(entry)
  }
  // A directory sorts as its name with the slash that its keys continue with: `a.txt` comes before `a/b`.
  for (const entry of entries.toSorted(compareKeys)) {
    const path = parent + entry
    const isBelow = entry.endsWith('/') && after.startsWith(path)
    if (!isBelow && compareKeys(path, after) <= 0) continue
    if (entry.endsWith('/')) yield* walk(bounds, path, '')
    else yield path
  }
}

/** Names, directories with a slash at the end. */
async function readEntries(path: string, isRoot: boolean): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const entry of await opendir(path)) {
      const kind = await kindOf(path, entry)
      if (kind === 'directory') names.push(`${entry.name}/`)
      else if (kind === 'file') names.push(entry.name)
    }
  } catch (error) {
    if (hasCode(error, ['ENOENT']) || (!isRoot && hasCode(error, ['ENOTDIR']))) return []
    throw error
  }
  return names
}

/** Links are followed, so that a part of a store may lie on another disk; one that leads back up is neither. */
async function kindOf(parent: string, entry: Dirent): Promise<'directory' | 'file' | undefined> {
  if (entry.isDirectory()) return 'directory'
  if (entry.isFile()) return 'file'
  if (!entry.isSymbolicLink()) return undefined
  const path = join(parent, entry.name)
  try {
    const status = await stat(path)
    if (!status.isDirectory()) return status.isFile() ? 'file' : undefined
    const [target, here] = await Promise.all([realpath(path), realpath(parent)])
    return `${here}/`.startsWith(`${target}/`) ? undefined : 'directory'
  } catch (error) {
    if (hasCode(error, ['ENOENT', 'ELOOP'])) return undefined
    throw error
  }
}
