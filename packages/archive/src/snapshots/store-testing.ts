import { readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { ObjectStore } from '@berth/object-store'
import { chunkKey } from '../format/format.ts'
import { listArchives, readSnapshot, readSnapshotList } from './snapshots.ts'

/** Every file of a store in a directory, in order. */
export function storedKeys(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.berth-tmp'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted()
}

/** Time goes on for a store in a directory: all that it holds is older. */
export function ageStore(root: string, ageMs: number): void {
  for (const key of storedKeys(root)) {
    const path = join(root, key)
    const time = statSync(path).mtimeMs / 1000 - ageMs / 1000
    utimesSync(path, time, time)
  }
}

/** The same store; something happens before each of its requests. */
export function watchStore(
  store: ObjectStore,
  before: (what: string) => Promise<void>,
): ObjectStore {
  return {
    url: store.url,
    supportsConditionalWrites: (options) => store.supportsConditionalWrites(options),
    async get(key, options) {
      await before(`get ${key}`)
      return store.get(key, options)
    },
    async stream(key, sink, options) {
      await before(`get ${key}`)
      return store.stream(key, sink, options)
    },
    expectReads: (count) => store.expectReads(count),
    async put(key, body, options) {
      await before(`put ${key}`)
      return store.put(key, body, options)
    },
    async head(key, options) {
      await before(`head ${key}`)
      return store.head(key, options)
    },
    async *list(prefix, options) {
      await before(`list ${prefix}`)
      yield* store.list(prefix, options)
    },
    async remove(keys, options) {
      for (const key of keys) {
        await before(`remove ${key}`)
        await store.remove([key], options)
      }
    },
    close: () => store.close(),
  }
}

/** What listed snapshots need and the store does not hold: `archive@snapshot key`. */
export async function findMissing(store: ObjectStore): Promise<string[]> {
  const present = new Set<string>()
  for await (const { key } of store.list('chunks/')) present.add(key)
  const missing: string[] = []
  for (const archive of await listArchives(store)) {
    const { history, siblings } = await readSnapshotList(store, archive)
    for (const { name } of [...history, ...siblings]) {
      const manifest = await readSnapshot(store, archive, name)
      for (const { sha256, kind } of manifest.chunks) {
        const key = chunkKey(sha256, kind)
        if (!present.has(key)) missing.push(`${archive}@${name} ${key}`)
      }
    }
  }
  return missing
}
