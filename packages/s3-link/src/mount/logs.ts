import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Places } from './places.ts'
import { listMounts } from './registry.ts'

/** The last lines that each mount's daemon said, by the mount's key. */
export async function readLogs(places: Places, lines: number): Promise<Record<string, string[]>> {
  const keys = await listMounts(places)
  const logs = keys.map(async (key) => {
    const path = join(places.runtime, key, 'private', 'log')
    const text = await readFile(path, 'utf8').catch(() => '')
    return [key, text.split('\n').filter(Boolean).slice(-lines)] as const
  })
  return Object.fromEntries(await Promise.all(logs))
}
