import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MountSpec } from '../driver/driver.ts'
import { splitOptions } from '../driver/watch-options.ts'
import { ensureMount } from './ensure-mount.ts'
import type { Layout } from './layout.ts'
import { leaveOthers } from './leave-mounts.ts'
import { type FoundFolder, remember } from './link-folder.ts'
import type { Places } from './places.ts'
import { ask } from './keeper-protocol.ts'
import { type LinkRecord, openRegistry, spoolOf } from './registry.ts'
import { putLink, targetOf } from './retarget.ts'

export interface WatchFolderRequest {
  layout: Layout
  user: string
  /** Of the folder alone: see `watchSpec`. */
  spec: MountSpec
  places: Places
  found: FoundFolder
  signal: AbortSignal
}

/** A watched folder has a keeper of its own, so the folder is a part of its key. */
export function watchSpec(spec: MountSpec, path: string, places: Places): MountSpec {
  const key = createHash('sha256').update(`${spec.key} ${path}`).digest('hex').slice(0, 12)
  return {
    ...spec,
    key,
    mountPoint: path,
    runtime: join(places.runtime, key, 'private'),
    cache: join(places.cache, key),
  }
}

/**
 * Makes sure that a folder is watched: it stays on this disk, and what is finished in it is sent. A link of ours in its place, from a machine
 * that could mount, leads to the folder on this disk then.
 */
export async function watchFolder(request: WatchFolderRequest): Promise<'done' | 'unchanged'> {
  const { layout, user, spec, places, found, signal } = request
  const { path, subfolder } = layout
  const spool = spoolOf(path)
  const folder = found === 'ours' ? spool : path
  await mkdir(folder, { recursive: true })
  if (found === 'ours' && (await targetOf(path)) !== spool) {
    await remember(path, [spool])
    await putLink(path, spool)
  }
  await leaveOthers(path, spec.key, places)
  const watched: LinkRecord = { path, user, subfolder, target: folder, spool: folder }
  const state = await ensureMount({ driver: 'watch', spec, places, signal, watched })
  if (state === 'started') return 'done'
  const { socket } = openRegistry(places, spec.key)
  const question = { verb: 'adjust', options: splitOptions(spec.options).watch } as const
  const isOtherwise = await Promise.race([ask<boolean>(socket, question), sleep(2_000)])
  return isOtherwise === true ? 'done' : 'unchanged'
}
