import { readFailure, S3Failure } from './s3-failure.ts'
import type { S3Body } from './s3-requests.ts'
import type { ByteRange } from './store.ts'

type OpenBody = (range: ByteRange | undefined, ifMatch: string | undefined) => Promise<S3Body>

/**
 * One object, or a range of it, being read into one buffer. Each `proceed` is one try that goes on where the last one stopped; an
 * object that changed in between is read from its beginning.
 */
export class S3Reading {
  private readonly open: OpenBody
  private readonly range: ByteRange | undefined
  private readonly allocate: (bytes: number) => Buffer
  private bytes: Buffer | undefined
  private filled = 0
  private etag: string | undefined

  constructor(
    open: OpenBody,
    { range, allocate }: { range: ByteRange | undefined; allocate: (bytes: number) => Buffer },
  ) {
    this.open = open
    this.range = range
    this.allocate = allocate
  }

  async proceed(signal: AbortSignal | undefined): Promise<Buffer> {
    const before = this.filled
    try {
      const body = await this.open(this.rest(), this.filled > 0 ? this.etag : undefined)
      return await this.receive(body, signal)
    } catch (error) {
      const failure = readFailure(error)
      if (failure?.kind === 'range' && this.range && this.filled === 0) return Buffer.alloc(0)
      if (failure?.kind === 'precondition') {
        this.bytes = undefined
        this.filled = 0
        throw new S3Failure('retry', 'the object changed while it was read')
      }
      // Without an ETag nobody can tell whether the rest would be of the same object.
      if (this.etag === undefined) this.filled = 0
      if (failure) failure.progressed = this.filled > before
      throw failure ?? error
    }
  }

  private get start(): number {
    return this.range?.start ?? 0
  }

  private rest(): ByteRange | undefined {
    if (this.bytes === undefined || this.filled === 0) return this.range
    return { start: this.start + this.filled, end: this.start + this.bytes.length }
  }

  private async receive(body: S3Body, signal: AbortSignal | undefined): Promise<Buffer> {
    // A server that ignores the range sends the object from its beginning.
    const skip = this.start + this.filled - body.start
    const available = Math.max(0, body.length - skip)
    if (this.bytes === undefined) {
      const wanted = this.range ? this.range.end - this.range.start : available
      this.bytes = this.allocate(Math.min(wanted, available))
      this.etag = body.etag
    }
    await this.collect(body, skip, signal)
    if (this.filled < this.bytes.length) {
      throw new S3Failure(
        'retry',
        `the body ended after ${this.filled} of ${this.bytes.length} bytes`,
      )
    }
    return this.bytes
  }

  private collect(body: S3Body, skip: number, signal: AbortSignal | undefined): Promise<void> {
    const target = this.bytes ?? Buffer.alloc(0)
    let ignore = skip
    return body.read((chunk) => {
      const from = Math.min(ignore, chunk.length)
      ignore -= from
      this.filled += chunk.copy(target, this.filled, from)
      // More than asked for: nothing of it is needed, and the socket is not worth emptying.
      if (this.filled === target.length && skip > 0) body.discard()
    }, signal)
  }
}
