import { readFailure, S3Failure } from './s3-failure.ts'
import type { S3Body } from './s3-requests.ts'
import type { ByteRange, ByteSink } from './store.ts'

type OpenBody = (range: ByteRange | undefined, ifMatch: string | undefined) => Promise<S3Body>

/** One object, or a range of it, being passed on. Each `proceed` is one try that goes on where the last one stopped. */
export class S3Stream {
  private readonly open: OpenBody
  private readonly range: ByteRange | undefined
  private readonly sink: ByteSink
  private passed = 0
  private total: number | undefined
  private etag: string | undefined

  constructor(open: OpenBody, { range, sink }: { range: ByteRange | undefined; sink: ByteSink }) {
    this.open = open
    this.range = range
    this.sink = sink
  }

  /** Answers how many bytes were passed on in all tries together. */
  async proceed(signal: AbortSignal | undefined): Promise<number> {
    const before = this.passed
    try {
      const body = await this.open(this.rest(), before > 0 ? this.etag : undefined)
      await this.pass(body, signal)
      return this.passed
    } catch (error) {
      const failure = readFailure(error)
      if (failure?.kind === 'range' && this.range && this.passed === 0) return 0
      if (failure) failure.progressed = this.passed > before
      throw failure ?? error
    }
  }

  private get start(): number {
    return this.range?.start ?? 0
  }

  private rest(): ByteRange | undefined {
    if (this.total === undefined || this.passed === 0) return this.range
    return { start: this.start + this.passed, end: this.start + this.total }
  }

  private async pass(body: S3Body, signal: AbortSignal | undefined): Promise<void> {
    // A server that ignores the range sends the object from its beginning.
    let ignore = this.start + this.passed - body.start
    const hasSkipped = ignore > 0
    const available = Math.max(0, body.length - ignore)
    const total = (this.total ??= this.range
      ? Math.min(this.range.end - this.range.start, available)
      : available)
    this.etag ??= body.etag
    await body.read((bytes) => {
      const from = Math.min(ignore, bytes.length)
      ignore -= from
      const own = bytes.subarray(from, from + total - this.passed)
      this.passed += own.length
      if (this.passed === total && hasSkipped) body.discard()
      return own.length === 0 ? undefined : this.sink(own)
    }, signal)
    if (this.passed < total)
      throw new S3Failure('retry', `the body ended after ${this.passed} of ${total} bytes`)
  }
}
