import * as fs from 'node:fs'
import * as path from 'node:path'
import type { SavedObjects } from './run.ts'
import type { BenchServer, Traffic } from './server.ts'

/** What the PUTs of a save left in the store. */
export function savedObjects(
  { directory }: BenchServer,
  { requests }: Traffic,
): Omit<SavedObjects, 'changedBytes'> {
  const puts = requests.filter(({ method, status }) => method === 'PUT' && status < 300)
  const size = (key: string): number =>
    fs.statSync(path.join(directory, key), { throwIfNoEntry: false })?.size ?? 0
  const manifests = puts.filter(({ key }) => key.endsWith('.json.zst'))
  const sum = (of: typeof puts): number => of.reduce((total, { key }) => total + size(key), 0)
  return { puts: puts.length, bytes: sum(puts), manifestBytes: sum(manifests) }
}
