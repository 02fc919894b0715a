import { BerthError } from '@berth/core/error'
import type { DriverName } from './driver.ts'

export interface DriverQuestion {
  wanted: DriverName | 'auto'
  /** Why nothing can be mounted here, the root cause first. */
  problems: readonly BerthError[]
  programs: { s3fs: boolean; rclone: boolean }
  /** s3fs 1.90 takes no session token. */
  hasSessionToken: boolean
}

export interface DriverChoice {
  driver: DriverName
  /** Why it is another than the best, to be said. */
  why: string | undefined
}

/**
 * Chooses a driver. `auto` mounts where that is possible, and watches otherwise; only what this machine lacks leads there, never a key or a
 * bucket that is wrong. Throws when a driver was asked for by name and can't work here.
 */
export function chooseDriver({
  wanted,
  problems,
  programs,
  hasSessionToken,
}: DriverQuestion): DriverChoice {
  if (wanted === 'watch') return { driver: 'watch', why: undefined }
  const [first] = problems
  if (wanted === 'auto') {
    if (first !== undefined) return { driver: 'watch', why: first.message }
    if (programs.s3fs && !hasSessionToken) return { driver: 's3fs', why: undefined }
    if (programs.rclone) return { driver: 'rclone', why: undefined }
    const why = 'could not mount: neither s3fs nor rclone can be used here'
    return { driver: 'watch', why }
  }
  if (!programs[wanted]) {
    throw new BerthError(
      's3-link/no-driver',
      `could not link with ${wanted}: it is not installed`,
      {
        hint: `install it: \`apt-get install ${wanted} fuse3\`, or use \`driver: auto\``,
      },
    )
  }
  if (wanted === 's3fs' && hasSessionToken) {
    throw new BerthError(
      's3-link/session-token',
      'could not link with s3fs: the keys need a session token',
      {
        hint: 'use `driver: rclone` or `driver: watch`, or keys that last',
      },
    )
  }
  if (first !== undefined) throw first
  return { driver: wanted, why: undefined }
}
