import type { WaitingFile } from './watched-file.ts'

/**
 * Which file is sent next. Two lanes, so that one big checkpoint does not make a hundred pictures wait; in each the newest first, because
 * that is what someone waits for.
 */
export class Lanes {
  private readonly running = { small: 0, big: 0 }
  private readonly room: { small: number; big: number }
  private readonly bigBytes: number

  constructor({ small, big, bigBytes }: { small: number; big: number; bigBytes: number }) {
    this.room = { small, big }
    this.bigBytes = bigBytes
  }

  /** How many are under way. */
  get busy(): number {
    return this.running.small + this.running.big
  }

  /** Takes as many as there is room for out of those that are queued; each is given back with `done`. */
  take(queued: Iterable<WaitingFile>): { file: WaitingFile; done: () => void }[] {
    const waiting: Record<'small' | 'big', WaitingFile[]> = { small: [], big: [] }
    for (const file of queued) waiting[this.laneOf(file)].push(file)
    return (['small', 'big'] as const).flatMap((lane) => {
      const free = this.room[lane] - this.running[lane]
      if (free <= 0) return []
      const next = waiting[lane].toSorted((a, b) => b.unchangedSince - a.unchangedSince)
      return next.slice(0, free).map((file) => this.start(file, lane))
    })
  }

  private start(file: WaitingFile, lane: 'small' | 'big'): { file: WaitingFile; done: () => void } {
    this.running[lane]++
    let isDone = false
    return {
      file,
      done: () => {
        if (!isDone) this.running[lane]--
        isDone = true
      },
    }
  }

  private laneOf({ facts }: WaitingFile): 'small' | 'big' {
    return facts.size > this.bigBytes ? 'big' : 'small'
  }
}
