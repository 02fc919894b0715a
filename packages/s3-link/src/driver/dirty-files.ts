import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pending } from './driver.ts'

const mostNames = 20

/**
 * What rclone has in its cache and not in S3, read from the notes that it keeps there (`vfsMeta/…`, JSON with `Dirty`): also what a daemon
 * left behind that was killed, and without asking one that hangs.
 */
export async function dirtyFilesIn(cache: string): Promise<Pending> {
  const root = join(cache, 'vfsMeta')
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const dirty: { name: string; bytes: number; since: number }[] = []
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const note = await readNote(path)
    if (note === undefined) continue
    dirty.push({ name: path.slice(root.length + 1), ...note })
  }
  dirty.sort((one, other) => one.since - other.since)
  return {
    files: dirty.length,
    bytes: dirty.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestAgeMs: Math.max(0, Date.now() - (dirty[0]?.since ?? Date.now())),
    confidence: 'exact',
    names: dirty.slice(0, mostNames).map(({ name }) => name),
  }
}

async function readNote(path: string): Promise<{ bytes: number; since: number } | undefined> {
  try {
    const note = JSON.parse(await readFile(path, 'utf8')) as { Dirty?: boolean; Size?: number }
    if (note.Dirty !== true) return undefined
    const { mtimeMs } = await stat(path)
    return { bytes: Math.max(0, note.Size ?? 0), since: mtimeMs }
  } catch {
    // Being replaced, or gone meanwhile: the next look tells.
    return undefined
  }
}
