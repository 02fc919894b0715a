import { isBerthError } from '@berth/core/error'
import { type FrameFetch, ObjectFetch, type ObjectToFetch } from './fetch-frames.ts'
import type { FrameArena, FrameBlock } from './frame-arena.ts'
import { onAbort } from './abort.ts'
import { createLimit } from '../workers/limit.ts'

// So many requests under way fill a fast link (S3 clients of the vendors use 16 to 32 of 8 MiB each).
export const RESTORE_REQUESTS = 16

const HEDGE_POLL_MS = 200
// Only what is left at the end holds up everything, and only a request that is clearly late is worth another.
const HEDGED_AT_ONCE = 4
const LATE_FACTOR = 3
const LATE_LEAST_MS = 1000

/** Fetches objects, a few at once, until its signal aborts. */
export interface ObjectFetcher extends Disposable {
  /**
   * Fetches an object and has each of its frames done; once more when that shows it to be damaged, because a flipped bit on the way is
   * none in the store.
   */
  fetch: (object: ObjectToFetch, perform: PerformFrame) => Promise<void>
}

/** Does what a frame is for. `again`: what was done with this object before may have been wrong. */
export type PerformFrame = (index: number, bytes: Uint8Array, again: boolean) => Promise<unknown>

export function createFetcher({
  store,
  arena,
  signal,
}: Omit<FrameFetch, 'onFrame'> & { arena: FrameArena }): ObjectFetcher {
  const limit = createLimit(RESTORE_REQUESTS)
  const active = new Set<ObjectFetch>()
  const tookMs: number[] = []
  let waiting = 0

  async function fetchOnce(
    object: ObjectToFetch,
    perform: (index: number, bytes: Uint8Array) => Promise<unknown>,
  ): Promise<void> {
    const cancel = new AbortController()
    const frames: Promise<unknown>[] = []
    const onFrame = (index: number, block: FrameBlock): void => {
      const done = perform(index, block.bytes).finally(block.release)
      done.catch((error: unknown) => cancel.abort(error))
      frames.push(done)
    }
    const fetch = new ObjectFetch(object, {
      store,
      arena,
      signal: AbortSignal.any([signal, cancel.signal]),
      onFrame,
    })
    const fetched = await inTurn(fetch).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    // What failed in a frame is why the fetch was ended.
    const failed = (await Promise.allSettled(frames)).find((frame) => frame.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    if (fetched !== undefined) throw fetched.error
  }

  async function inTurn(fetch: ObjectFetch): Promise<void> {
    waiting++
    await limit(async () => {
      waiting--
      active.add(fetch)
      try {
        await fetch.run()
      } finally {
        active.delete(fetch)
      }
      tookMs.push(performance.now() - fetch.startedAt)
    })
  }

  const watch = setInterval(() => {
    if (waiting === 0) hedgeLate(active, tookMs)
  }, HEDGE_POLL_MS).unref()

  const unlisten = onAbort(signal, () => {
    limit.stop(signal.reason)
    arena.stop(signal.reason)
  })

  return {
    async fetch(object, perform) {
      try {
        await fetchOnce(object, (index, bytes) => perform(index, bytes, false))
      } catch (error) {
        if (!isBerthError(error, 'archive/corrupt-chunk')) throw error
        await fetchOnce(object, (index, bytes) => perform(index, bytes, true))
      }
    },
    [Symbol.dispose]: () => {
      clearInterval(watch)
      unlisten()
    },
  }
}

function hedgeLate(active: ReadonlySet<ObjectFetch>, tookMs: readonly number[]): void {
  if (active.size > HEDGED_AT_ONCE) return
  const late = Math.max(LATE_LEAST_MS, LATE_FACTOR * median(tookMs))
  for (const fetch of active)
    if (!fetch.isHeldBack && performance.now() - fetch.startedAt > late) fetch.hedge()
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}
