import { isLive, liveStats, type ProcessStat, readStat } from './process-table.ts'

/**
 * A process, all of its session and group, and all that descends from it. What was once seen stays of the family when its parent ends. Needs no
 * right to look into another user's processes, which root in a container often lacks; what started a session of its own and lost its
 * parent before it was seen is not found.
 */
export class ProcessFamily {
  #root: number
  /** With the time of its start a pid names one process for good. */
  #known = new Map<number, string>()

  constructor(root: number) {
    this.#root = root
  }

  /** Its members that run now. */
  members(): number[] {
    const stats = liveStats()
    const byPid = new Map(stats.map((stat) => [stat.pid, stat]))
    for (const stat of stats) {
      if (stat.pid === this.#root || stat.group === this.#root || stat.session === this.#root) {
        this.#known.set(stat.pid, stat.startTime)
      }
    }
    let size: number
    do {
      size = this.#known.size
      for (const stat of stats) {
        const parent = byPid.get(stat.parent)
        if (parent !== undefined && this.#isKnown(parent)) this.#known.set(stat.pid, stat.startTime)
      }
    } while (this.#known.size > size)
    return stats
      .filter((stat) => isLive(stat) && stat.pid !== process.pid && this.#isKnown(stat))
      .map(({ pid }) => pid)
  }

  #isKnown({ pid, startTime }: ProcessStat): boolean {
    return this.#known.get(pid) === startTime
  }
}

/** The family of a process that another one has started, unless its pid is another's by now. */
export function familyOf({
  pid,
  startTime,
}: {
  pid: number
  startTime: string
}): ProcessFamily | undefined {
  const stat = readStat(pid)
  return stat === undefined || stat.startTime === startTime ? new ProcessFamily(pid) : undefined
}
