import type { WaitingFile } from './watched-file.ts'

type Lane = 'small' | 'big'

const lanes: readonly Lane[] = ['small', 'big']

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
  /** The next one last. */
  private readonly waiting: Record<Lane, WaitingFile[]> = { small: [], big: [] }
  private bytes = 0

  constructor(limits: LaneLimits) {
    this.limits = limits
  }

  /** How many are under way. */
  get busy(): number {
    return this.running.small + this.running.big
  }

  /** How many wait. */
  get length(): number {
    return this.waiting.small.length + this.waiting.big.length
  }

  /** From now on so many small files at once. */
  set width(small: number) {
    this.limits.small = small
  }

  /** What waits from now on. */
  fill(queued: Iterable<WaitingFile>): void {
    this.waiting.small = []
    this.waiting.big = []
    for (const file of queued) this.waiting[this.laneOf(file)].push(file)
    for (const lane of lanes) this.waiting[lane].sort((a, b) => a.unchangedSince - b.unchangedSince)
  }

  /** Takes as many as there is room for; each is given back with `done`. */
  take(): { file: WaitingFile; done: () => void }[] {
    return lanes.flatMap((lane) => {
      const started = []
      while (this.running[lane] < this.limits[lane]) {
        const file = this.waiting[lane].at(-1)
        if (file === undefined || (lane === 'small' && !this.hasRoom(file))) break
        this.waiting[lane].pop()
        // It has changed since, or is gone.
        if (file.state === 'queued') started.push(this.start(file, lane))
      }
      return started
    })
  }

  private hasRoom({ facts }: WaitingFile): boolean {
    return this.running.small === 0 || this.bytes + facts.size <= this.limits.memoryBytes
  }

  private start(file: WaitingFile, lane: Lane): { file: WaitingFile; done: () => void } {
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

  private laneOf({ facts }: WaitingFile): Lane {
    return facts.size > this.limits.bigBytes ? 'big' : 'small'
  }
}
