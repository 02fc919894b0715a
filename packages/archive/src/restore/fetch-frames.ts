import { BerthError } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import { damageHint } from '../format/damage-hint.ts'
import type { FrameArena, FrameBlock } from './frame-arena.ts'

export interface ObjectToFetch {
  key: string
  frames: readonly { stored: number }[]
}

export interface FrameFetch {
  store: ObjectStore
  arena: Pick<FrameArena, 'take'>
  signal: AbortSignal
  /** Takes over a frame's bytes, in the order of the object; must release the block. */
  onFrame: (index: number, block: FrameBlock) => void
}

/**
 * One object on its way into the arena, frame by frame. When a request for it is slow, `hedge` asks a second time for what is still
 * missing; each byte is taken from whoever brings it first, and only when no request is left that could bring it is that an error.
 */
export class ObjectFetch {
  /** When it began, by the process's own clock; 0 before. */
  startedAt = 0
  /** Waits for room in the arena, not for the network. */
  isHeldBack = false
  isHedged = false
  private readonly object: ObjectToFetch
  private readonly fetch: FrameFetch
  private readonly total: number
  private readonly cancel = new AbortController()
  private readonly outcome = Promise.withResolvers<void>()
  private received = 0
  private frame = 0
  private block: FrameBlock | undefined
  private filled = 0
  private running = 0
  private turn: Promise<void> | undefined
  private room: Promise<FrameBlock> | undefined

  constructor(object: ObjectToFetch, fetch: FrameFetch) {
    this.object = object
    this.fetch = fetch
    this.total = object.frames.reduce((sum, { stored }) => sum + stored, 0)
  }

  /** Resolves when every frame was handed over. Throws `archive/missing-chunk`, `archive/corrupt-chunk` and the store's errors. */
  async run(): Promise<void> {
    this.startedAt = performance.now()
    const stop = (): void => this.cancel.abort(this.fetch.signal.reason)
    this.fetch.signal.addEventListener('abort', stop, { once: true })
    try {
      this.fetch.signal.throwIfAborted()
      this.ask()
      await this.outcome.promise
      // A frame without a byte would never be handed over, and nothing that follows from it checked.
      if (this.frame < this.object.frames.length) throw this.wrongLength(`${this.received}`)
    } finally {
      this.fetch.signal.removeEventListener('abort', stop)
      this.cancel.abort()
      await this.turn?.catch(() => {})
      this.block?.release()
      this.block = undefined
    }
  }

  hedge(): void {
    if (this.isHedged || this.received === this.total) return
    this.isHedged = true
    this.ask()
  }

  private ask(): void {
    const start = this.received
    let at = start
    this.running++
    const { store } = this.fetch
    const sink = (bytes: Buffer): void | Promise<void> => {
      const from = at
      at += bytes.length
      return this.take(from, bytes)
    }
    const range = start === 0 ? undefined : { start, end: this.total }
    store.stream(this.object.key, sink, { range, signal: this.cancel.signal }).then(
      (count) => this.end(count === undefined ? this.missing() : this.shortBy(at)),
      (error: unknown) => this.end(error),
    )
  }

  private end(error: unknown): void {
    this.running--
    if (this.received === this.total && error === undefined) this.outcome.resolve()
    else if (this.running === 0) this.outcome.reject(error ?? this.fetch.signal.reason)
  }

  /** Takes what is new of the bytes from `at` on. */
  private take(at: number, bytes: Buffer): void | Promise<void> {
    if (this.turn !== undefined) return this.turn.then(() => this.take(at, bytes))
    const isNew = bytes.subarray(this.received - at)
    if (at + bytes.length > this.total) throw this.wrongLength(`more than ${this.total}`)
    if (this.received - at >= bytes.length) return undefined
    const rest = this.fill(isNew)
    if (rest.length === 0) return undefined
    this.turn = this.wait(rest).finally(() => (this.turn = undefined))
    return this.turn
  }

  /** Fills frames for as long as there is room; answers what is left. */
  private fill(bytes: Uint8Array): Uint8Array {
    let rest = bytes
    while (rest.length > 0) {
      if (this.block === undefined) {
        const block = this.fetch.arena.take(this.frameSize())
        if (block instanceof Promise) {
          this.room = block
          return rest
        }
        this.block = block
      }
      rest = this.copy(this.block, rest)
    }
    return rest
  }

  private async wait(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      this.isHeldBack = true
      try {
        this.block = await this.room
        this.room = undefined
      } finally {
        this.isHeldBack = false
      }
      this.cancel.signal.throwIfAborted()
      rest = this.fill(rest)
    }
  }

  private copy(block: FrameBlock, bytes: Uint8Array): Uint8Array {
    const own = bytes.subarray(0, block.bytes.length - this.filled)
    block.bytes.set(own, this.filled)
    this.filled += own.length
    this.received += own.length
    if (this.filled === block.bytes.length) {
      this.block = undefined
      this.filled = 0
      this.fetch.onFrame(this.frame++, block)
    }
    return bytes.subarray(own.length)
  }

  private frameSize(): number {
    return this.object.frames[this.frame]?.stored ?? 0
  }

  private missing(): BerthError {
    return new BerthError(
      'archive/missing-chunk',
      `${this.object.key} is missing from ${this.fetch.store.url}`,
      { hint: damageHint() },
    )
  }

  /** A stream that ended is whole: if that is not all, the object is another. */
  private shortBy(end: number): BerthError | undefined {
    return end === this.total ? undefined : this.wrongLength(`${end}`)
  }

  private wrongLength(found: string): BerthError {
    return new BerthError(
      'archive/corrupt-chunk',
      `${this.object.key} has ${found} bytes instead of ${this.total}`,
      { hint: damageHint() },
    )
  }
}
