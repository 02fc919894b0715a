import { reviveKeeper } from './ensure-mount.ts'
import type { Places } from './places.ts'
import { listMounts } from './registry.ts'

const withinMs = 10_000

/**
 * Starts the keepers of mounts and watched folders again that were killed; answers the keys of those. One that can't be started stays as it
 * is, and its status says so.
 */
export async function reviveKeepers(places: Places): Promise<string[]> {
  const signal = AbortSignal.timeout(withinMs)
  const keys = await listMounts(places)
  const revived = await Promise.all(
    keys.map(async (key) => {
      const isRevived = await reviveKeeper(places, key, signal).catch(() => false)
      return isRevived ? [key] : []
    }),
  )
  return revived.flat()
}
