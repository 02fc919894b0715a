import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseStoreUrl } from './location.ts'

/** What speaks against a store before anything was asked of it. */
export interface StoreDoubt {
  text: string
  /** A save can succeed all the same. */
  canSave: boolean
}

/** The kernel's own trees, from statfs(2), where root may write and yet make no directory. */
const kernelTrees = new Map([
  [0x62_65_65_72, 'sysfs'],
  [0x9f_a0, 'proc'],
])

/**
 * Says of a store in a directory that it is not there yet, which may be a misspelt path or a volume that was forgotten, or that it can't
 * be written. Writes nothing; `undefined` where nothing is wrong, and for buckets, which are not asked.
 */
export async function doubtStore(url: string): Promise<StoreDoubt | undefined> {
  const location = url === '' ? undefined : parseStoreUrl(url)
  if (location?.kind !== 'directory') return undefined
  const { path } = location
  const there = await nearestExisting(path)
  const why = await whyUnwritable(there)
  if (there === path) {
    if (why === undefined) return undefined
    return { text: `nothing can be saved to ${url}: ${why}`, canSave: false }
  }
  if (why === undefined)
    return { text: `${url} does not exist yet; the first save makes it`, canSave: true }
  return {
    text: `${url} does not exist, and no save can make it: ${there}: ${why}`,
    canSave: false,
  }
}

async function whyUnwritable(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return 'it is no directory'
    await access(path, constants.W_OK)
    const kind = kernelTrees.get((await statfs(path)).type)
    return kind === undefined ? undefined : `it lies in ${kind}, which holds no files of users`
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EROFS') return 'the file system is read-only'
    return code === 'EACCES' || code === 'EPERM' ? 'permission denied' : message
  }
}

async function nearestExisting(path: string): Promise<string> {
  const parent = dirname(path)
  const isThere = await stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT' && error.code !== 'ENOTDIR',
  )
  return isThere || parent === path ? path : nearestExisting(parent)
}
