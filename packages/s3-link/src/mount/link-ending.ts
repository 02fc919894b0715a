import { setTimeout as sleep } from 'node:timers/promises'
import type { HeldFile } from '../driver/held-file.ts'
import type { MountDriver, MountSpec, Pending } from '../driver/driver.ts'
import { amountOf, heldBelow } from './held-files.ts'
import type { StopAnswer } from './keeper-contract.ts'
import type { LinkRecord } from './registry.ts'
import { addPending } from './spool.ts'
import { openPaths, openWriters } from './writers.ts'

export interface LinkEndingParts {
  driver: MountDriver
  spec: MountSpec
  /** The daemon's, 0 for none. */
  pid: number
  /** It leads to the disk by now. */
  link: LinkRecord
  /** Sends what waits in its spool; answers what is not in S3. */
  sendSpool: () => Promise<Pending>
  /** What lies in it, for when that does not end in time. */
  countSpool: () => Promise<Pending>
  /** Milliseconds since the epoch. */
  deadline: number
}

const pollMs = 100
const sendAgainMs = 2_000
/** What is being ended at the deadline may take so long. */
const lateMs = 1_000

/**
 * Waits until nothing that was written through one link waits any more, while its mount goes on for others: nothing is open in its folder, the
 * daemon has sent what it has of that, and so has the spool. Past the deadline the answer says what is not in S3.
 */
export async function endLink(parts: LinkEndingParts): Promise<StopAnswer> {
  const { link, deadline } = parts
  let sending = parts.sendSpool()
  let sentAt = performance.now()
  for (;;) {
    const held = await waitingOf(parts)
    const holders = await openWriters(link.target)
    const isLate = Date.now() >= deadline
    if (isLate || (held.length === 0 && holders.length === 0)) {
      const left = await Promise.race([sending, lateAt(deadline).then(parts.countSpool)])
      const isStopped = held.length === 0 && holders.length === 0 && left.files === 0
      if (isLate || isStopped) {
        return { isStopped, pending: addPending(left, amountOf(held)), holders }
      }
      if (performance.now() - sentAt > sendAgainMs) {
        sentAt = performance.now()
        sending = parts.sendSpool()
      }
    }
    await sleep(pollMs)
  }
}

function lateAt(deadline: number): Promise<void> {
  return sleep(Math.max(0, deadline - Date.now()) + lateMs, undefined, { ref: false })
}

/**
 * What of a daemon's files is this link's. Where they have no names, some of them may be while there are more than programs have open: a file
 * that is being closed is nobody's any more, and not sent yet.
 */
async function waitingOf({ driver, spec, pid, link }: LinkEndingParts): Promise<HeldFile[]> {
  const before = await openPaths(spec.mountPoint)
  const held = await driver.held({ pid, spec })
  const nameless = held.filter(({ name }) => name === undefined)
  const after = nameless.length === 0 ? before : await openPaths(spec.mountPoint)
  // One that was opened, or closed, in between may not be among them.
  const open = [...before].filter((path) => after.has(path)).length
  return [...heldBelow(held, link.subfolder), ...nameless.slice(open)]
}
