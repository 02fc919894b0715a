import { LeanConnection, type LeanHead } from './lean-connection.ts'
import type { Patience } from './patience.ts'
import type { ByteSink } from './store.ts'

export interface LeanRequest {
  origin: URL
  /** Path and query, as they go on the wire. */
  path: string
  headers: Record<string, string>
  signal: AbortSignal | undefined
}

export interface LeanAnswer extends LeanHead {
  /** Reads the body; to be called once, or `discard`. */
  receive: (sink: ByteSink) => Promise<void>
  discard: () => void
}

/** GET requests over connections that are kept and used again. */
export class LeanClient {
  private readonly patience: Pick<Patience, 'connectMs' | 'stallMs'>
  private readonly idle: { key: string; connection: LeanConnection }[] = []

  constructor(patience: Pick<Patience, 'connectMs' | 'stallMs'>) {
    this.patience = patience
  }

  /**
   * Resolves with the answer, whatever its status, once its head is there, or with `undefined` when a full HTTP client has to ask: a
   * compressed body, one without a length. Throws Node's errors. A kept connection that the server had closed meanwhile costs a second try on a new one.
   */
  async get(request: LeanRequest): Promise<LeanAnswer | undefined> {
    request.signal?.throwIfAborted()
    const kept = this.takeIdle(request.origin)
    if (kept !== undefined) {
      try {
        return await this.ask(kept, request)
      } catch (error) {
        if (request.signal?.aborted) throw error
      }
    }
    const connection = new LeanConnection({ origin: request.origin, ...this.patience })
    return this.ask(connection, request)
  }

  /** Opens connections that wait for their requests, until there are so many that do. */
  connect(origin: URL, count: number): void {
    for (let open = this.idle.length; open < count; open++) {
      const connection = new LeanConnection({ origin, ...this.patience })
      connection.rest()
      this.idle.unshift({ key: origin.origin, connection })
    }
  }

  close(): void {
    for (const { connection } of this.idle.splice(0)) connection.destroy()
  }

  private takeIdle(origin: URL): LeanConnection | undefined {
    for (let index = this.idle.length - 1; index >= 0; index--) {
      const { key, connection } = this.idle[index] as { key: string; connection: LeanConnection }
      if (!connection.isClosed && key !== origin.origin) continue
      this.idle.splice(index, 1)
      if (connection.isClosed) continue
      connection.wake()
      return connection
    }
    return undefined
  }

  private async ask(
    connection: LeanConnection,
    request: LeanRequest,
  ): Promise<LeanAnswer | undefined> {
    const { signal } = request
    const stop = (): void => connection.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      const head = await connection.request(request.path, request.headers)
      if (head === undefined) return undefined
      return {
        ...head,
        receive: (sink) => this.receive(connection, request, sink),
        discard: () => connection.discard(),
      }
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  private async receive(
    connection: LeanConnection,
    { origin, signal }: LeanRequest,
    sink: ByteSink,
  ): Promise<void> {
    const stop = (): void => connection.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    try {
      await connection.receive(sink)
    } finally {
      signal?.removeEventListener('abort', stop)
    }
    if (connection.isClosed) return
    connection.rest()
    this.idle.push({ key: origin.origin, connection })
  }
}
