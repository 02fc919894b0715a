/** When a save stops to send content, so that what it commits is there in time. */
export interface Cut extends Disposable {
  /** Aborts at that moment; `undefined` when there is no deadline. */
  signal: AbortSignal | undefined
}

// What a commit takes: the manifest of a large tree is made, checked and put, and perhaps a probe before it.
const RESERVE_MS = { least: 1000, most: 2000 }
const RESERVE_SHARE = 0.25
// When hardly any time is left, some of it still goes into content.
const GREATEST_SHARE = 0.6

/** `deadline` in milliseconds since the epoch. */
export function startCut(deadline: number | undefined): Cut {
  if (deadline === undefined) return { signal: undefined, [Symbol.dispose]: () => {} }
  const controller = new AbortController()
  const leftMs = Math.max(0, deadline - Date.now())
  const reserveMs = Math.min(
    leftMs * GREATEST_SHARE,
    Math.max(RESERVE_MS.least, Math.min(RESERVE_MS.most, leftMs * RESERVE_SHARE)),
  )
  const timer = setTimeout(
    () => controller.abort(new Error('the time of the save is over')),
    leftMs - reserveMs,
  )
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) }
}

/** The result, or `undefined` when the cut came first; what was begun then goes on unheard. */
export async function untilCut<Result>(
  signal: AbortSignal | undefined,
  job: Promise<Result>,
): Promise<Result | undefined> {
  if (signal === undefined) return job
  let stop = (): void => {}
  const cut = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([job, cut])
  } catch (error) {
    if (signal.aborted) return undefined
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    // It may be rejected when nobody waits for it any more.
    job.catch(() => {})
  }
}

/** Aborts when either does. */
export function eitherSignal(
  a: AbortSignal | undefined,
  b: AbortSignal | undefined,
): AbortSignal | undefined {
  return a !== undefined && b !== undefined ? AbortSignal.any([a, b]) : (a ?? b)
}
