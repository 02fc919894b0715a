import type { Pending } from '../driver/driver.ts'

export type MountState =
  | 'starting'
  | 'active'
  | 'degraded'
  | 'draining'
  | 'spooling'
  | 'hung'
  | 'broken'
  | 'refused'
  | 'identity-mismatch'
  | 'no-room'
  | 'crash-loop'
  | 'unmounting'
  | 'drain-timeout'
  | 'stopped'

export type Colour = 'green' | 'yellow' | 'red'

/** What the keeper sees of a mount at one moment. */
export interface Observation {
  /** Whether the daemon runs and the kernel shows its mount, not another in its place. */
  mounted: boolean
  /** How many looks at the mount in a row did not end in time, and how long ago the first began. */
  lateProbes: number
  lateMs: number
  /** How long it may hang before it is ended. */
  endHungAfterMs: number
  /** What the bucket's own API says, apart from the mount. */
  server: 'answers' | 'silent' | 'refuses'
  silentMs: number
  /** Its mark is not the one that was there, or is gone: the bucket was replaced, or emptied. */
  isOtherBucket: boolean
  /** Free on the disk where the daemon keeps what is not sent, and how much of it there must be. */
  roomBytes: number
  neededBytes: number
  /** How often the daemon was started again in the last ten minutes. */
  restarts: number
  /** What waits in the spools of its links. */
  spooled: number
}

export interface Verdict {
  state: MountState
  colour: Colour
  /** Where links lead: into the mount, to the folder on this disk, or wherever they lead now. */
  links: 'mount' | 'spool' | 'stay'
  /** What is to be done about the daemon. Never `kill` while it may still hold files that it can send. */
  daemon: 'keep' | 'kill' | 'start'
}

export const limits = {
  /** Looks in a row until a mount counts as hung. */
  lateProbes: 3,
  /** With s3fs closing a file fails when the service is silent, so that links should not lead there for long. */
  silentMs: 20_000,
  roomBytes: 256 * 1024 ** 2,
  /** Of a small disk this share is enough. */
  roomShare: 0.1,
  restarts: 5,
} as const

/**
 * Decides what a mount's state is and what follows from it. Links leave a mount as soon as it is not proven to work, and a daemon is ended only
 * when it has hung for long: it may hold what is nowhere else.
 */
export function judgeMount(seen: Observation): Verdict {
  if (!seen.mounted) {
    const isLoop = seen.restarts >= limits.restarts
    return {
      state: isLoop ? 'crash-loop' : 'broken',
      colour: 'red',
      links: 'spool',
      daemon: 'start',
    }
  }
  // Before the hang, which it explains: a daemon that waits for the service still has what it will send.
  if (seen.server === 'refuses') {
    return { state: 'refused', colour: 'red', links: 'spool', daemon: 'keep' }
  }
  if (seen.isOtherBucket) {
    return { state: 'identity-mismatch', colour: 'red', links: 'spool', daemon: 'keep' }
  }
  const isLate = seen.lateProbes >= limits.lateProbes
  if (seen.server === 'silent' && (isLate || seen.silentMs >= limits.silentMs)) {
    return { state: 'spooling', colour: 'yellow', links: 'spool', daemon: 'keep' }
  }
  if (isLate) {
    const daemon = seen.lateMs >= seen.endHungAfterMs ? 'kill' : 'keep'
    return { state: 'hung', colour: 'red', links: 'spool', daemon }
  }
  if (seen.roomBytes < seen.neededBytes) {
    return { state: 'no-room', colour: 'red', links: 'spool', daemon: 'keep' }
  }
  if (seen.server === 'silent' || seen.lateProbes > 0) {
    return { state: 'degraded', colour: 'yellow', links: 'stay', daemon: 'keep' }
  }
  if (seen.spooled > 0) {
    return { state: 'draining', colour: 'yellow', links: 'mount', daemon: 'keep' }
  }
  return { state: 'active', colour: 'green', links: 'mount', daemon: 'keep' }
}

/** How long to wait before a daemon is started again. `chance` is from 0 to 1. */
export function restartDelayMs(restarts: number, chance: number): number {
  const steps = [1_000, 2_000, 5_000, 15_000, 60_000]
  const isLoop = restarts > limits.restarts
  const ms = isLoop ? 300_000 : (steps[Math.max(0, restarts - 1)] ?? 60_000)
  return Math.round(ms * (0.8 + 0.4 * chance))
}

export interface SafeToStop {
  safe: boolean
  files: number
  bytes: number
  /** How long until it is safe, as far as one can tell from the last seconds. */
  seconds: number | null
}

/** Whether the pod may be stopped now without losing what is on this machine alone. */
export function judgeSafety(pending: Pending, bytesPerSecond: number | undefined): SafeToStop {
  const { files, bytes, confidence } = pending
  const safe = files === 0 && confidence !== 'unknown'
  const canTell = bytesPerSecond !== undefined && bytesPerSecond > 0
  const seconds = safe ? 0 : canTell ? Math.ceil(bytes / bytesPerSecond) : null
  return { safe, files, bytes, seconds }
}
