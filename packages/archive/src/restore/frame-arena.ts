/** A part of the arena. */
export interface FrameBlock {
  /** Memory that threads share; what it held before is still there. */
  bytes: Uint8Array<SharedArrayBuffer>
  release: () => void
}

interface Gap {
  start: number
  end: number
}

/**
 * A fixed amount of shared memory for what was fetched and is not written yet: who wants more waits, first come, first served. The
 * lowest place that fits is taken, so that memory nobody needs is never touched.
 */
export class FrameArena {
  readonly size: number
  private readonly memory: SharedArrayBuffer
  private readonly gaps: Gap[]
  private readonly waiting: {
    size: number
    resolve: (block: FrameBlock) => void
    reject: (reason: unknown) => void
  }[] = []

  constructor(size: number) {
    this.size = size
    this.memory = new SharedArrayBuffer(size)
    this.gaps = [{ start: 0, end: size }]
  }

  /** A block of exactly so many bytes, at once where there is room. Throws a RangeError for more than the arena has. */
  take(size: number): FrameBlock | Promise<FrameBlock> {
    if (size > this.size) throw new RangeError(`${size} bytes don't fit into ${this.size}`)
    const block = this.waiting.length === 0 ? this.find(size) : undefined
    if (block !== undefined) return block
    return new Promise((resolve, reject) => this.waiting.push({ size, resolve, reject }))
  }

  /** Refuses whoever waits. */
  stop(reason: unknown): void {
    for (const { reject } of this.waiting.splice(0)) reject(reason)
  }

  private find(size: number): FrameBlock | undefined {
    const index = this.gaps.findIndex((gap) => gap.end - gap.start >= size)
    const gap = this.gaps[index]
    if (gap === undefined) return undefined
    const { start } = gap
    gap.start += size
    if (gap.start === gap.end) this.gaps.splice(index, 1)
    let isTaken = true
    return {
      bytes: new Uint8Array(this.memory, start, size),
      release: () => {
        if (isTaken) this.release({ start, end: start + size })
        isTaken = false
      },
    }
  }

  private release(freed: Gap): void {
    const next = this.gaps.findIndex((gap) => gap.start >= freed.end)
    const at = next < 0 ? this.gaps.length : next
    const [before, after] = [this.gaps[at - 1], this.gaps[at]]
    if (before?.end === freed.start) {
      before.end = freed.end
      if (after?.start === freed.end) {
        before.end = after.end
        this.gaps.splice(at, 1)
      }
    } else if (after?.start === freed.end) after.start = freed.start
    else if (freed.end > freed.start) this.gaps.splice(at, 0, freed)
    for (let first = this.waiting[0]; first !== undefined; first = this.waiting[0]) {
      const block = this.find(first.size)
      if (block === undefined) return
      this.waiting.shift()
      first.resolve(block)
    }
  }
}
