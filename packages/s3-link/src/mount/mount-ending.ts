import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HeldFile } from '../driver/held-file.ts'
import type { MountDriver, MountSpec, Pending } from '../driver/driver.ts'
import { amountOf } from './held-files.ts'
import type { StopAnswer } from './keeper-contract.ts'
import type { LinkRecord } from './registry.ts'
import { rescueFiles } from './rescue.ts'
import { addPending } from './spool.ts'
import { unmount } from './unmount.ts'
import { openWriters } from './writers.ts'

export interface EndingParts {
  driver: MountDriver
  spec: MountSpec
  /** The daemon's, 0 for none. */
  pid: number
  links: readonly LinkRecord[]
  /** Sends what waits on the disk; answers what is not in S3. */
  sendSpools: () => Promise<Pending>
  /** Milliseconds since the epoch. */
  deadline: number
  onWait: () => Promise<void>
}

const pollMs = 100
/** Of the time that there is: what is copied then still has to be sent. */
const rescueShare = 0.25

/**
 * Ends a mount that no link leads into any more, once nothing is open and all is sent. When a quarter of the time is over, what only the daemon
 * has is copied beside the folder, which may outlive the daemon's cache, and is sent from there. Past the deadline everything stays
 * mounted, and goes on being sent.
 */
export async function endMount(parts: EndingParts): Promise<StopAnswer> {
  const { driver, spec, pid, deadline, onWait } = parts
  const rescueAt = Date.now() + (deadline - Date.now()) * rescueShare
  let saved: SavedFiles | undefined
  let sending = parts.sendSpools()
  for (;;) {
    await onWait()
    const held = await driver.held({ pid, spec })
    const holders = await openWriters(spec.mountPoint)
    const unsaved = await withoutSaved(held, saved)
    if (unsaved.length === 0 && holders.length === 0) {
      const left = await sending
      const withinMs = Math.max(1_000, deadline - Date.now())
      if (left.files === 0 && (await unmount(spec.mountPoint, withinMs))) {
        // What was sent from a copy is not sent again, over what others may have put there by then.
        await driver.discard(await withSaved(await driver.held({ pid: 0, spec }), saved))
        return { isStopped: true, pending: left, holders }
      }
    }
    if (Date.now() >= deadline) {
      return { isStopped: false, pending: addPending(await sending, amountOf(unsaved)), holders }
    }
    if (saved === undefined && unsaved.length > 0 && Date.now() >= rescueAt) {
      saved = await save(parts, held)
      sending = sending.then(() => parts.sendSpools())
    }
    await sleep(pollMs)
  }
}

/** When each was last written to as it was copied, by where it lies. */
type SavedFiles = ReadonlyMap<string, number>

async function save({ spec, links }: EndingParts, held: readonly HeldFile[]): Promise<SavedFiles> {
  const { mountPoint } = spec
  const rescued = await rescueFiles({ held, mountPoint, links, wholeOnly: true })
  return new Map(rescued.map(({ source, mtimeMs }) => [source, mtimeMs]))
}

async function withSaved(
  held: readonly HeldFile[],
  saved: SavedFiles = new Map(),
): Promise<HeldFile[]> {
  const unsaved = new Set(await withoutSaved(held, saved))
  return held.filter((file) => !unsaved.has(file))
}

async function withoutSaved(
  held: readonly HeldFile[],
  saved: SavedFiles = new Map(),
): Promise<HeldFile[]> {
  const unsaved: HeldFile[] = []
  for (const file of held) {
    const before = saved.get(file.source)
    const now = before === undefined ? undefined : await stat(file.source).catch(() => undefined)
    if (now === undefined || now.mtimeMs !== before) unsaved.push(file)
  }
  return unsaved
}
