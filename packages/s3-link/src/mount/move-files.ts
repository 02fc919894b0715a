import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MountSpec } from '../driver/driver.ts'
import { migrate, type MigrationReport } from '../migrate/migrate.ts'
import type { Layout } from './layout.ts'
import { makeInMount, readMemory, remember } from './link-folder.ts'
import { spoolOf, stateOf } from './registry.ts'
import { fileStoreOf } from './store-of.ts'

/** Whether files of this folder were being moved into the bucket before. */
export function wasMoving(path: string): boolean {
  return existsSync(migrationState(path))
}

/**
 * Moves the files of a folder into the bucket and puts the link in its place, or goes on with that; the original stays beside it. The mount has
 * been proven to work.
 */
export async function moveFiles(
  { path, subfolder }: Layout,
  spec: MountSpec,
  signal: AbortSignal,
): Promise<MigrationReport> {
  const target = join(spec.mountPoint, subfolder)
  await remember(path, [target, spoolOf(path)])
  const store = await fileStoreOf(spec, signal)
  try {
    return await migrate({
      folder: path,
      target,
      otherTargets: (await readMemory(path)).targets,
      store,
      prefix: subfolder,
      state: migrationState(path),
      signal,
      requireTarget: () => makeInMount(target, spec),
    })
  } finally {
    await store.close()
  }
}

function migrationState(path: string): string {
  return join(stateOf(path), 'migration')
}
