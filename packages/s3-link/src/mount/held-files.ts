import { parseStoreUrl } from '@berth/object-store'
import type { Pending } from '../driver/driver.ts'
import type { HeldFile } from '../driver/held-file.ts'
import { mountDrivers } from '../driver/mount-drivers.ts'
import { isRunning } from './process-facts.ts'
import type { MountRecord } from './registry.ts'

const mostNames = 20

/** What the daemon of a mount has that S3 has not, without asking the daemon; also of one that is gone. */
export async function heldBy({ driver, store, cache, daemon }: MountRecord): Promise<HeldFile[]> {
  const location = parseStoreUrl(store)
  if (driver === 'watch' || location.kind !== 's3') return []
  const pid = daemon !== undefined && (await isRunning(daemon)) ? daemon.pid : 0
  const { bucket, prefix } = location
  return mountDrivers[driver].held({ pid, spec: { cache, bucket, prefix } })
}

/** Those with a name below a folder of the mount; empty for all of it. */
export function heldBelow(held: readonly HeldFile[], subfolder: string): HeldFile[] {
  return held.filter(({ name }) => {
    return name !== undefined && (subfolder === '' || name.startsWith(`${subfolder}/`))
  })
}

/** The same as an amount. */
export function amountOf(held: readonly HeldFile[]): Pending {
  return {
    files: held.length,
    bytes: held.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestAgeMs: 0,
    confidence: 'exact',
    names: held.flatMap(({ name }) => name ?? []).slice(0, mostNames),
  }
}
