import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pending } from '../driver/driver.ts'
import type { LinkRecord } from './registry.ts'

/** Folders on the disk where files wait that could not go into a mount. */
export interface Spool {
  count: (links: readonly LinkRecord[]) => Promise<Pending>
  /** Sends what lies there, and removes each file that is proven to be in S3 and not in use; answers what is not in S3. */
  drain: (links: readonly LinkRecord[], signal: AbortSignal) => Promise<Pending>
}

const mostNames = 20

export const noneWaits: Pending = {
  files: 0,
  bytes: 0,
  oldestAgeMs: 0,
  confidence: 'exact',
  names: [],
}

/** What waits in the spools of these links. */
export async function countSpools(links: readonly Pick<LinkRecord, 'spool'>[]): Promise<Pending> {
  const found: SpooledFile[] = []
  for (const { spool } of links) {
    const entries = await readdir(spool, { recursive: true, withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const name = join(entry.parentPath, entry.name)
      const facts = await stat(name).catch(() => undefined)
      if (facts !== undefined) found.push({ name, size: facts.size, mtimeMs: facts.mtimeMs })
    }
  }
  return pendingOf(found)
}

export interface SpooledFile {
  name: string
  size: number
  mtimeMs: number
}

/** Files that wait, as one amount. */
export function pendingOf(files: readonly SpooledFile[]): Pending {
  const found = files.toSorted((one, other) => one.mtimeMs - other.mtimeMs)
  return {
    files: found.length,
    bytes: found.reduce((total, { size }) => total + size, 0),
    oldestAgeMs: Math.max(0, Date.now() - (found[0]?.mtimeMs ?? Date.now())),
    confidence: 'exact',
    names: found.slice(0, mostNames).map(({ name }) => name),
  }
}

/** What waits in two places, as one amount. */
export function addPending(one: Pending, other: Pending | undefined): Pending {
  if (other === undefined) return one
  return {
    files: one.files + other.files,
    bytes: one.bytes + other.bytes,
    oldestAgeMs: Math.max(one.oldestAgeMs, other.oldestAgeMs),
    confidence: one.confidence,
    names: [...one.names, ...other.names].slice(0, mostNames),
  }
}
