import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pending } from './driver.ts'
import type { HeldFile } from './held-file.ts'

const mostNames = 20

/** Of a file in rclone's cache: `vfscache.Info` of its sources, with the ranges that are on the disk. */
interface CacheNote {
  Dirty?: boolean
  Size?: number
  Rs?: { Pos: number; Size: number }[] | null
}

interface DirtyFile {
  /** Below the cache's own folder: `remote/bucket/prefix/…`. */
  name: string
  bytes: number
  since: number
  isWhole: boolean
}

/**
 * What rclone has in its cache and not in S3, read from the notes that it keeps there (`vfsMeta/…`, JSON with `Dirty`): also what a daemon
 * left behind that was killed, and without asking one that hangs.
 */
export async function dirtyFilesIn(cache: string): Promise<Pending> {
  const dirty = await readDirty(cache)
  return {
    files: dirty.length,
    bytes: dirty.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestAgeMs: Math.max(0, Date.now() - (dirty[0]?.since ?? Date.now())),
    confidence: 'exact',
    names: dirty.slice(0, mostNames).map(({ name }) => name),
  }
}

/** The same as files that can be copied. The cache has them under the remote's name, and a mark of its settings where these were changed. */
export async function heldByRclone(
  cache: string,
  { bucket, prefix }: { bucket: string; prefix: string },
): Promise<HeldFile[]> {
  const inBucket = [bucket, prefix].filter(Boolean).join('/')
  const dirty = await readDirty(cache)
  return dirty.map(({ name, bytes, isWhole }) => {
    const below = name.slice(name.indexOf('/') + 1)
    const isOurs = below.startsWith(`${inBucket}/`)
    return {
      source: join(cache, 'vfs', name),
      name: isOurs ? below.slice(inBucket.length + 1) : undefined,
      bytes,
      isWhole,
    }
  })
}

/** Removes files from the cache of a daemon that does not run, the note first: without one a file is not sent. */
export async function discardFromCache(held: readonly HeldFile[]): Promise<void> {
  for (const { source } of held) {
    await rm(source.replace('/vfs/', '/vfsMeta/'), { force: true })
    await rm(source, { force: true })
  }
}

/** The oldest first. */
async function readDirty(cache: string): Promise<DirtyFile[]> {
  const root = join(cache, 'vfsMeta')
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const dirty: DirtyFile[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const note = await readNote(path)
    if (note !== undefined) dirty.push({ name: path.slice(root.length + 1), ...note })
  }
  return dirty.toSorted((one, other) => one.since - other.since)
}

async function readNote(path: string): Promise<Omit<DirtyFile, 'name'> | undefined> {
  try {
    const { Dirty, Size = 0, Rs } = JSON.parse(await readFile(path, 'utf8')) as CacheNote
    if (Dirty !== true) return undefined
    const { mtimeMs } = await stat(path)
    const [first, ...others] = Rs ?? []
    const isWhole = Size === 0 || (first?.Pos === 0 && first.Size >= Size && others.length === 0)
    return { bytes: Math.max(0, Size), since: mtimeMs, isWhole }
  } catch {
    // Being replaced, or gone meanwhile: the next look tells.
    return undefined
  }
}
