import { setTimeout as sleep } from 'node:timers/promises'
import type { MountDriver, MountSpec } from '../driver/driver.ts'
import { mountAt } from './mount-table.ts'
import { isRunning } from './process-facts.ts'
import type { MountRecord } from './registry.ts'
import type { Daemon } from './start-daemon.ts'

const pollMs = 250

/**
 * The daemon of a keeper that was killed, when it still runs and its mount is in its place; undefined otherwise. It is nobody's child, so that
 * its end is found by looking.
 */
export async function adoptDaemon(
  driver: MountDriver,
  spec: MountSpec,
  record: MountRecord | undefined,
): Promise<Daemon | undefined> {
  const daemon = record?.daemon
  if (daemon === undefined || record?.driver !== driver.name) return undefined
  const mount = await mountAt(spec.mountPoint)
  if (mount?.type !== driver.plan(spec).type || !(await isRunning(daemon))) return undefined
  let hasEnded = false
  const watch = async () => {
    while (await isRunning(daemon)) await sleep(pollMs)
    hasEnded = true
    return { code: null, signal: null }
  }
  return { pid: daemon.pid, mount, ended: watch(), hasEnded: () => hasEnded }
}
