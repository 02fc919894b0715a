import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { mountDrivers } from '../driver/mount-drivers.ts'
import { ask } from './keeper-protocol.ts'
import type { StopAnswer } from './keeper-contract.ts'
import { mountAt } from './mount-table.ts'
import type { Places } from './places.ts'
import { isRunning } from './process-facts.ts'
import { type MountRecord, openRegistry } from './registry.ts'
import { detach, unmount } from './unmount.ts'
import { openWriters } from './writers.ts'

const nothing = { files: 0, bytes: 0, oldestAgeMs: 0, confidence: 'exact' as const, names: [] }

/**
 * Ends a mount: what is not sent is sent first. After the deadline it stays mounted, and the answer says what is not in S3. A mount that is
 * not there is stopped already.
 */
export async function stopMount(
  places: Places,
  key: string,
  deadline: number,
): Promise<StopAnswer> {
  const registry = openRegistry(places, key)
  const record = await registry.readMount()
  if (record === undefined) return { isStopped: true, pending: nothing, holders: [] }
  if (await isRunning(record.keeper)) {
    const answer = await ask<StopAnswer>(registry.socket, { verb: 'stop', deadline })
    if (answer !== undefined) {
      for (let waits = 0; answer.isStopped && waits < 100; waits += 1) {
        if (!(await isRunning(record.keeper))) break
        await sleep(20)
      }
      return answer
    }
  }
  if (record.driver === 'watch') {
    throw new BerthError(
      's3-link/keeper-ended',
      `could not send what is in \`${record.mountPoint}\`: the process that watched it is gone`,
      { hint: 'link the folder again, then unmount it' },
    )
  }
  const answer = await stopOrphan(record, deadline)
  if (answer.isStopped) await registry.forget()
  return answer
}

/** A mount whose keeper was killed: its daemon goes on alone, or is gone too. */
async function stopOrphan(record: MountRecord, deadline: number): Promise<StopAnswer> {
  const { mountPoint, cache, daemon, driver } = record
  const isAlive = daemon !== undefined && (await isRunning(daemon))
  if ((await mountAt(mountPoint)) !== undefined && !isAlive) await detach({ mountPoint })
  const pid = daemon?.pid ?? 0
  for (;;) {
    const pending =
      driver === 'watch' ? nothing : await mountDrivers[driver].pending({ pid, spec: { cache } })
    const holders = await openWriters(mountPoint)
    const isIdle = holders.length === 0 && (pending.files === 0 || !isAlive)
    if (isIdle && (await unmount(mountPoint, Math.max(1_000, deadline - Date.now())))) {
      return { isStopped: true, pending, holders }
    }
    if (Date.now() >= deadline) return { isStopped: false, pending, holders }
    await sleep(100)
  }
}
