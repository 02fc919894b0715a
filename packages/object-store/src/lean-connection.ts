import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ChunkedBody } from './chunked-body.ts'
import type { ByteSink } from './store.ts'

/** The head of an answer, before its body has been read. */
export interface LeanHead {
  status: number
  /** Names in lower case; of a repeated name the last. */
  headers: Map<string, string>
  /** Of the body; absent where it comes in chunks, whose end alone tells. */
  length: number | undefined
}

export interface ConnectionSettings {
  origin: URL
  connectMs: number
  /** Without a byte in either direction. */
  stallMs: number
}

// One read of the socket: large enough that few callbacks carry a fast body, small enough to stay in the processor's cache.
const READ_BYTES = 256 * 1024
const MAX_HEAD_BYTES = 64 * 1024
// In the middle of a body; it is then continued where it stopped, which costs a request. Before its head a server may think for longer.
const BODY_STALL_MS = 5_000

/**
 * One HTTP/1.1 connection for GET requests, one at a time. It reads into a buffer of its own (`onread`), which takes a third of the
 * processor time of Node's HTTP client; in return it understands only plain answers, with a Content-Length or in chunks.
 */
export class LeanConnection {
  /** No answer has been received on it yet, or all were read to their end. */
  isIdle = true
  isClosed = false
  /** How many answers it has carried. */
  answers = 0
  private readonly socket: Socket
  private head: Buffer = Buffer.alloc(0)
  private onHead: ((rest: Buffer) => void) | undefined
  private sink: ByteSink | undefined
  private isPaused = false
  private isResting = false
  private readonly stallMs: number
  private missing = 0
  private chunked: ChunkedBody | undefined
  private reject: ((error: Error) => void) | undefined
  private resolve: (() => void) | undefined

  constructor({ origin, connectMs, stallMs }: ConnectionSettings) {
    this.stallMs = stallMs
    const isTls = origin.protocol === 'https:'
    const host = origin.hostname.replace(/^\[|\]$/g, '')
    const options = {
      host,
      port: Number(origin.port) || (isTls ? 443 : 80),
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: this.take.bind(this) },
    }
    this.socket = isTls ? connectTls({ ...options, servername: host }) : connectPlain(options)
    this.socket.setTimeout(connectMs, () =>
      this.fail(Object.assign(new Error('no byte came in time'), { code: 'ETIMEDOUT' })),
    )
    this.socket.once(isTls ? 'secureConnect' : 'connect', () => {
      this.socket.setTimeout(this.isResting ? 0 : stallMs)
    })
    this.socket.on('error', (error) => this.fail(error))
    this.socket.on('close', () =>
      this.fail(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })),
    )
  }

  /** Sends the request; resolves with the head, or with `undefined` when the answer is one that only a full client understands. */
  request(path: string, headers: Record<string, string>): Promise<LeanHead | undefined> {
    this.isIdle = false
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    return new Promise((resolve, reject) => {
      this.reject = reject
      this.onHead = (end) => {
        this.onHead = undefined
        const head = readHead(end)
        if (head === undefined) this.destroy()
        this.missing = head?.length ?? Infinity
        this.chunked =
          head !== undefined && head.length === undefined ? new ChunkedBody() : undefined
        resolve(head)
      }
      this.socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
    })
  }

  /** Passes on the body as it comes, and as fast as the sink takes it. */
  receive(sink: ByteSink): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new Error('the connection was closed'))
      this.sink = sink
      this.resolve = resolve
      this.reject = reject
      this.socket.setTimeout(Math.min(this.stallMs, BODY_STALL_MS))
      const early = this.head
      this.head = Buffer.alloc(0)
      this.deliver(early)
      // Also when all was there already: an idle connection must notice that the server closes it.
      if (!this.isPaused) this.socket.resume()
    })
  }

  destroy(): void {
    this.isClosed = true
    this.socket.destroy()
  }

  /** Ends what is under way with this error. */
  abort(reason: Error): void {
    this.fail(reason)
  }

  /** Ends the body here: whoever reads it has enough. */
  discard(): void {
    this.sink = undefined
    this.reject = undefined
    this.destroy()
    this.resolve?.()
  }

  /** Lets the process end while the connection waits for its next use. */
  rest(): void {
    this.isResting = true
    this.socket.setTimeout(0)
    this.socket.unref()
  }

  wake(): void {
    this.isResting = false
    this.socket.setTimeout(this.stallMs)
    this.socket.ref()
  }

  /** Answers whether to go on reading. */
  private take(count: number, buffer: Uint8Array): boolean {
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, count)
    if (this.sink !== undefined) {
      this.deliver(bytes)
      return !this.isPaused
    }
    this.head = Buffer.concat([this.head, bytes])
    if (this.onHead === undefined) {
      // Bytes that nobody asked for: the server and we no longer mean the same answer.
      if (this.isIdle) this.destroy()
      return false
    }
    const end = this.head.indexOf('\r\n\r\n')
    if (end < 0 && this.head.length < MAX_HEAD_BYTES) return true
    const head = this.head.subarray(0, Math.max(0, end))
    this.head = this.head.subarray(end + 4)
    this.onHead(head)
    return false
  }

  private deliver(bytes: Buffer): void {
    const own = this.ownOf(bytes)
    if (own === undefined) {
      const error = new Error('the body is not in chunks')
      return this.fail(Object.assign(error, { code: 'HPE_INVALID_CHUNK_SIZE' }))
    }
    const taken = own.length > 0 ? this.takeOwn(own) : undefined
    if (taken === undefined) this.endBody()
    else void this.pauseFor(taken)
  }

  /** What of the bytes is of the body; `undefined` where they can't be understood. */
  private ownOf(bytes: Buffer): Buffer | undefined {
    if (this.chunked === undefined) {
      const own = bytes.subarray(0, this.missing)
      this.missing -= own.length
      if (bytes.length > own.length) this.isClosed = true
      return own
    }
    const own = this.chunked.take(bytes)
    if (this.chunked.isWhole) this.missing = 0
    if (this.chunked.hasMore) this.isClosed = true
    return own
  }

  private takeOwn(bytes: Buffer): Promise<void> | undefined {
    try {
      return this.sink?.(bytes) ?? undefined
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** A silence that we asked for is no stall. */
  private async pauseFor(taken: Promise<void>): Promise<void> {
    this.isPaused = true
    this.socket.setTimeout(0)
    try {
      await taken
    } catch (error) {
      return this.fail(error as Error)
    } finally {
      this.isPaused = false
    }
    this.endBody()
    if (this.isClosed) return
    if (this.sink !== undefined) this.socket.setTimeout(Math.min(this.stallMs, BODY_STALL_MS))
    this.socket.resume()
  }

  private endBody(): void {
    if (this.missing > 0 || this.sink === undefined) return
    this.sink = undefined
    this.isIdle = true
    this.answers++
    this.resolve?.()
    this.reject = undefined
  }

  private fail(error: Error): void {
    this.isClosed = true
    this.sink = undefined
    this.socket.destroy()
    const reject = this.reject
    this.reject = undefined
    reject?.(error)
  }
}

/** The head, or `undefined` for one that is not plain: another protocol, an encoding, a body that only ends with the connection. */
function readHead(bytes: Buffer): LeanHead | undefined {
  const [first = '', ...lines] = bytes.toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 ([2-5]\d\d)/.exec(first)?.[1] ?? 0)
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  if (status === 0 || headers.has('content-encoding')) return undefined
  if (coding?.toLowerCase() === 'chunked' && length === undefined)
    return { status, headers, length: undefined }
  if (coding !== undefined || !/^\d+$/.test(length ?? '')) return undefined
  return { status, headers, length: Number(length) }
}
