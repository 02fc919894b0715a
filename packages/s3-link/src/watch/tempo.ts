const MIN_WIDTH = 4
const MAX_WIDTH = 32
const FIRST_WIDTH = 8
const WINDOW_MS = 1_000
const HOLD_MS = 15_000
// So much faster it must be to be worth more connections.
const GAIN = 1.05
// What a request costs beside its bytes, so that small files count too.
const FILE_BYTES = 64 * 1024

/**
 * How many files are sent at once: more for as long as that makes it faster, and fewer when the service refuses. Measured only while there is
 * more to send than may be sent.
 */
export class Tempo {
  width = FIRST_WIDTH
  private before = FIRST_WIDTH
  private best = 0
  private work = 0
  private files = 0
  private startedAt: number | undefined
  private holdUntil = 0

  /** A file has arrived; `isBusy` when others wait for their turn. */
  sent(bytes: number, { now, isBusy }: { now: number; isBusy: boolean }): void {
    if (!isBusy) {
      this.restart(undefined)
      return
    }
    if (this.startedAt === undefined) {
      this.restart(now)
      return
    }
    this.work += bytes + FILE_BYTES
    this.files += 1
    const took = now - this.startedAt
    if (took < WINDOW_MS || this.files < 2 * this.width) return
    this.judge(this.work / took, now)
    this.restart(now)
  }

  /** The service has refused, or did not answer. */
  refused(): void {
    this.width = Math.max(MIN_WIDTH, Math.floor(this.width / 2))
    this.before = this.width
    this.best = 0
    this.restart(undefined)
  }

  private judge(rate: number, now: number): void {
    if (rate > this.best * GAIN) {
      this.best = rate
      this.widen()
    } else if (this.width > this.before) {
      this.width = this.before
      this.holdUntil = now + HOLD_MS
    } else if (now >= this.holdUntil) {
      // The link may have become another one meanwhile.
      this.best = rate
      this.widen()
    }
  }

  private widen(): void {
    this.before = this.width
    this.width = Math.min(MAX_WIDTH, Math.ceil(this.width * 1.5))
  }

  private restart(now: number | undefined): void {
    this.startedAt = now
    this.work = 0
    this.files = 0
  }
}
