import { existsSync, lstatSync, mkdirSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { BerthError } from '@berth/core/error'
import type { Environment } from '@berth/object-store'

/** Where the mounts of this user are kept. */
export interface Places {
  /** On a tmpfs where there is one: as short-lived as the mounts, and never on a volume that a bucket may show. */
  runtime: string
  /** On the pod's own disk. */
  cache: string
  /** Whether `runtime` lies in memory; else keys are written to a disk. */
  inMemory: boolean
  /** Both lie in BERTH_LINK_DIR. */
  isChosen?: boolean
}

const TMPFS = 0x01021994

/**
 * The same for every process of a user on this machine, whatever its environment, so that a shell sees what a boot mounted; only
 * `BERTH_LINK_DIR` puts both elsewhere. Makes nothing.
 */
export function findPlaces(env: Environment): Places {
  const own = env['BERTH_LINK_DIR']
  if (own) {
    return {
      runtime: join(own, 'run'),
      cache: join(own, 'cache'),
      inMemory: isTmpfs(existing(own)),
      isChosen: true,
    }
  }
  const name = `berth-s3-${process.getuid?.() ?? 0}`
  const memory = ['/dev/shm', '/run'].find(isTmpfs)
  return {
    runtime: join(memory ?? '/tmp', name),
    cache: join('/var/tmp', name),
    inMemory: memory !== undefined,
  }
}

/** Why keys lie on a disk, and what to do about it; undefined where they don't. */
export function explainKeysOnDisk({
  runtime,
  inMemory,
  isChosen = false,
}: Places): { message: string; hint: string } | undefined {
  if (inMemory) return undefined
  return isChosen
    ? {
        message: `BERTH_LINK_DIR is on a disk: the keys lie on it, in \`${runtime}\``,
        hint: 'unset BERTH_LINK_DIR, or put it on a tmpfs, where what is not sent is lost with the machine',
      }
    : {
        message: `there is no tmpfs: the keys lie on the disk, in \`${runtime}\``,
        hint: 'mount a tmpfs at /dev/shm',
      }
}

/**
 * Makes the two directories. In a directory that everyone may write to a name can be taken by another: `s3-link/unsafe-directory` unless it is
 * a directory of ours that nobody else can write to.
 */
export function makePlaces({ runtime, cache }: Places): void {
  for (const path of [runtime, cache]) {
    // Others may pass through, for a mount that is shared with them, and not list it.
    mkdirSync(path, { recursive: true, mode: 0o711 })
    const { uid, mode } = lstatSync(path)
    const isOurs = uid === (process.getuid?.() ?? uid) && (mode & 0o170000) === 0o040000
    if (isOurs && (mode & 0o022) === 0) continue
    throw new BerthError(
      's3-link/unsafe-directory',
      `could not use the directory \`${path}\`: it is not ours alone`,
      { hint: `remove it, or set BERTH_LINK_DIR to a directory of your own` },
    )
  }
}

function isTmpfs(path: string): boolean {
  try {
    return statfsSync(path).type === TMPFS
  } catch {
    return false
  }
}

/** What is there already of a path. */
function existing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path))
}
