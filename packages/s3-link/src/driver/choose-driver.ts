import { BerthError } from '@berth/core/error'
import type { FuseFacts } from '../preflight/fuse-facts.ts'
import { judgeDriver, judgeFuse, type MountNeeds } from '../preflight/judge-fuse.ts'
import type { DriverName } from './driver.ts'

export interface DriverQuestion {
  wanted: DriverName | 'auto'
  facts: FuseFacts
  needs: MountNeeds
}

export interface DriverChoice {
  driver: DriverName
  /** Why the folder is watched and not mounted, with what it would take; absent where that was asked for. */
  why: BerthError | undefined
}

/**
 * Chooses a driver. `auto` mounts where that is possible, and watches otherwise; only what this machine lacks leads there, never a key or a
 * bucket that is wrong. Throws when a driver was asked for by name and can't work here.
 */
export function chooseDriver({ wanted, facts, needs }: DriverQuestion): DriverChoice {
  if (wanted === 'watch') return { driver: 'watch', why: undefined }
  const [general] = judgeFuse(facts, needs)
  if (wanted !== 'auto') {
    const problem = general ?? judgeDriver(wanted, facts, needs)[0]
    if (problem !== undefined) throw problem
    return { driver: wanted, why: undefined }
  }
  if (general !== undefined) return { driver: 'watch', why: general }
  const problems: BerthError[] = []
  for (const driver of ['s3fs', 'rclone'] as const) {
    const [problem] = judgeDriver(driver, facts, needs)
    if (problem === undefined) return { driver, why: undefined }
    problems.push(problem)
  }
  const [first] = problems
  const reasons = problems.map(({ message }) => message.replace(/^could not mount: /, ''))
  const why = new BerthError('s3-link/no-driver', `could not mount: ${reasons.join('; ')}`, {
    hint: first?.hint ?? 'install s3fs or rclone',
  })
  return { driver: 'watch', why }
}
