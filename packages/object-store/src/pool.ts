/** Bounds how many tasks run at once. Waiting here, unlike waiting for a socket, can be cancelled. */
export class Pool {
  private free: number
  private readonly waiting: (() => void)[] = []

  constructor(size: number) {
    this.free = size
  }

  async run<Result>(signal: AbortSignal | undefined, task: () => Promise<Result>): Promise<Result> {
    signal?.throwIfAborted()
    if (this.free > 0) this.free--
    else await this.wait(signal)
    try {
      return await task()
    } finally {
      const next = this.waiting.shift()
      if (next) next()
      else this.free++
    }
  }

  private wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(go), 1)
        reject(signal?.reason)
      }
      this.waiting.push(go)
      signal?.addEventListener('abort', stop, { once: true })
    })
  }
}
