/** Lets so many bytes a second pass, whole pieces at a time: a piece waits until those before it have had their time. */
export class Pacer {
  private readonly bytesPerSecond: number
  private readonly waiting = new Set<() => void>()
  private freeAt = 0

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond
  }

  /** Resolves when a piece may be sent; rejects when it is aborted before. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const wait = this.book(bytes, performance.now())
    if (wait <= 0) return
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.waiting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, wait)
      signal.addEventListener('abort', end)
      this.waiting.add(end)
    })
    signal.throwIfAborted()
  }

  /** Lets everything pass that waits now. */
  lift(): void {
    for (const end of this.waiting) end()
    this.freeAt = 0
  }

  /** How long a piece has to wait, in milliseconds. */
  book(bytes: number, now: number): number {
    const from = Math.max(now, this.freeAt)
    this.freeAt = from + (bytes * 1000) / this.bytesPerSecond
    return from - now
  }
}
