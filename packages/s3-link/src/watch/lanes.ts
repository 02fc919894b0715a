import type { WaitingFile } from './watched-file.ts'

export interface LaneLimits {
  /** How many small files are sent at once. */
  small: number
  /** How many of those that are larger than `bigBytes` are, besides. */
  big: number
  bigBytes: number
  /** What small files may take of the memory, which holds each of them whole. */
  memoryBytes: number
}

/**
 * Which file is sent next. Two lanes, so that one big checkpoint does not make a hundred pictures wait; in each the newest first, because
 * that is what someone waits for.
 */
export class Lanes {
  private readonly running = { small: 0, big: 0 }
  private readonly limits: LaneLimits
  private bytes = 0

  constructor(limits: LaneLimits) {
    this.limits = limits
  }

  /** How many are under way. */
  get busy(): number {
    return this.running.small + this.running.big
  }

  /** From now on so many small files at once. */
  set width(small: number) {
    this.limits.small = small
  }

  /** Takes as many as there is room for out of those that are queued; each is given back with `done`. */
  take(queued: Iterable<WaitingFile>): { file: WaitingFile; done: () => void }[] {
    const waiting: Record<'small' | 'big', WaitingFile[]> = { small: [], big: [] }
    for (const file of queued) waiting[this.laneOf(file)].push(file)
    return (['small', 'big'] as const).flatMap((lane) => {
      const free = this.limits[lane] - this.running[lane]
      if (free <= 0) return []
      const next = waiting[lane].toSorted((a, b) => b.unchangedSince - a.unchangedSince)
      const started = []
      for (const file of next.slice(0, free)) {
        if (lane === 'small' && !this.hasRoom(file)) break
        started.push(this.start(file, lane))
      }
      return started
    })
  }

  private hasRoom({ facts }: WaitingFile): boolean {
    return this.running.small === 0 || this.bytes + facts.size <= this.limits.memoryBytes
  }

  private start(file: WaitingFile, lane: 'small' | 'big'): { file: WaitingFile; done: () => void } {
    const { size } = file.facts
    this.running[lane]++
    if (lane === 'small') this.bytes += size
    let isDone = false
    return {
      file,
      done: () => {
        if (isDone) return
        isDone = true
        this.running[lane]--
        if (lane === 'small') this.bytes -= size
      },
    }
  }

  private laneOf({ facts }: WaitingFile): 'small' | 'big' {
    return facts.size > this.limits.bigBytes ? 'big' : 'small'
  }
}
