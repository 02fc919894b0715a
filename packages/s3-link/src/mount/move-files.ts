import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { MountSpec } from '../driver/driver.ts'
import { migrate, type MigrationReport } from '../migrate/migrate.ts'
import { type MigrationPlan, planMigration } from '../migrate/plan-migration.ts'
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
  { signal, removeOriginals = false }: { signal: AbortSignal; removeOriginals?: boolean },
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
      removeOriginals,
      requireTarget: () => makeInMount(target, spec),
      makeFolders: async (names) => {
        for (const name of names) await makeInMount(join(target, name), spec)
      },
    })
  } finally {
    await store.close()
  }
}

/** Says what moving the folder's files would do; changes nothing. Without a spec the bucket is not asked. */
export async function planMove(
  { path, subfolder }: Layout,
  {
    spec,
    signal,
    removeOriginals = false,
  }: { spec?: MountSpec; signal?: AbortSignal; removeOriginals?: boolean },
): Promise<MigrationPlan> {
  const question = { folder: path, prefix: subfolder, state: migrationState(path), signal }
  if (spec === undefined || signal === undefined) return planMigration(question)
  const store = await fileStoreOf(spec, signal)
  try {
    return await planMigration({ ...question, store, removeOriginals })
  } finally {
    await store.close()
  }
}

function migrationState(path: string): string {
  return join(stateOf(path), 'migration')
}
