import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { BerthError } from '@berth/core/error'
import { mountDrivers } from '../driver/mount-drivers.ts'
import { reviveKeeper } from './ensure-mount.ts'
import { amountOf, heldBelow, heldBy } from './held-files.ts'
import { ask, type KeeperQuestion } from './keeper-protocol.ts'
import type { StopAnswer } from './keeper-contract.ts'
import { mountAt } from './mount-table.ts'
import type { Places } from './places.ts'
import { isRunning } from './process-facts.ts'
import { type MountRecord, openRegistry, type Registry } from './registry.ts'
import { retarget } from './retarget.ts'
import { addPending, countSpools, noneWaits } from './spool.ts'
import { detach, unmount } from './unmount.ts'
import { openWriters } from './writers.ts'

/** How much longer than it may take a keeper is waited for. */
const lateMs = 5_000

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
  if (record === undefined) return { isStopped: true, pending: noneWaits, holders: [] }
  // Twice: one that ends over the question is followed by another.
  for (const _ of ['kept', 'revived']) {
    const answer = await askKeeper(places, registry, { verb: 'stop', deadline })
    if (answer !== undefined) return answer
  }
  if (record.driver === 'watch') {
    throw new BerthError(
      's3-link/keeper-ended',
      `could not send what is in \`${record.mountPoint}\`: the process that watched it is gone`,
      { hint: 'link the folder again, then unmount it' },
    )
  }
  for (const { path, target, spool } of await registry.readLinks()) {
    await mkdir(spool, { recursive: true })
    await retarget(path, spool, [target, spool])
  }
  const answer = await stopOrphan(record, deadline)
  const waiting = await countSpools(await registry.readLinks())
  if (answer.isStopped && waiting.files === 0) await registry.forget()
  return {
    ...answer,
    isStopped: answer.isStopped && waiting.files === 0,
    pending: addPending(answer.pending, waiting),
  }
}

/**
 * Turns one link of a mount that others need to the disk, and waits until what was written through it is sent. After the deadline it leads
 * to the mount again, and the answer says what is not in S3.
 */
export async function leaveMount(
  places: Places,
  key: string,
  { path, deadline }: { path: string; deadline: number },
): Promise<StopAnswer> {
  const registry = openRegistry(places, key)
  for (const _ of ['kept', 'revived']) {
    const answer = await askKeeper(places, registry, { verb: 'leave', path, deadline })
    if (answer !== undefined) return answer
  }
  // Nobody can wait for it: only where nothing is left there is nothing to lose.
  const record = await registry.readMount()
  const link = (await registry.readLinks()).find((found) => found.path === path)
  if (record === undefined || link === undefined) {
    return { isStopped: true, pending: noneWaits, holders: [] }
  }
  const held = heldBelow(await heldBy(record), link.subfolder)
  const pending = addPending(await countSpools([link]), amountOf(held))
  const holders = await openWriters(link.target)
  return { isStopped: pending.files === 0 && holders.length === 0, pending, holders }
}

/** Undefined where no keeper answers, and none can be had. */
async function askKeeper(
  places: Places,
  registry: Registry,
  question: Extract<KeeperQuestion, { deadline: number }>,
): Promise<StopAnswer | undefined> {
  const { deadline } = question
  const record = await registry.readMount()
  if (record === undefined) return undefined
  if (!(await isRunning(record.keeper))) await revive(places, record.key, deadline)
  const kept = await registry.readMount()
  if (kept === undefined || !(await isRunning(kept.keeper))) return undefined
  const answer = await Promise.race([
    ask<StopAnswer>(registry.socket, question),
    // It may hang itself; what it knew last is what there is to say then. Who asked need not wait for that once it has answered.
    sleep(Math.max(0, deadline - Date.now()) + lateMs, undefined, { ref: false }).then(() =>
      lastKnown(registry),
    ),
  ])
  const isEnded = question.verb === 'stop' && answer?.isStopped === true
  for (let waits = 0; isEnded && waits < 100; waits += 1) {
    if (!(await isRunning(kept.keeper))) break
    await sleep(20)
  }
  return answer
}

async function lastKnown(registry: Registry): Promise<StopAnswer> {
  const status = await registry.readStatus()
  return { isStopped: false, pending: status?.pending ?? noneWaits, holders: [] }
}

/** One that was killed ends the mount best, taken over by another. */
async function revive(places: Places, key: string, deadline: number): Promise<void> {
  const signal = AbortSignal.timeout(Math.max(1_000, Math.round((deadline - Date.now()) / 2)))
  await reviveKeeper(places, key, signal).catch(() => false)
}

/** A mount that no keeper can take over: its daemon goes on alone, or is gone too. */
async function stopOrphan(record: MountRecord, deadline: number): Promise<StopAnswer> {
  const { mountPoint, cache, daemon, driver } = record
  const isAlive = daemon !== undefined && (await isRunning(daemon))
  if ((await mountAt(mountPoint)) !== undefined && !isAlive) await detach({ mountPoint })
  const pid = daemon?.pid ?? 0
  for (;;) {
    const pending =
      driver === 'watch' ? noneWaits : await mountDrivers[driver].pending({ pid, spec: { cache } })
    const holders = await openWriters(mountPoint)
    const isIdle = holders.length === 0 && (pending.files === 0 || !isAlive)
    if (isIdle && (await unmount(mountPoint, Math.max(1_000, deadline - Date.now())))) {
      return { isStopped: true, pending, holders }
    }
    if (Date.now() >= deadline) return { isStopped: false, pending, holders }
    await sleep(100)
  }
}
