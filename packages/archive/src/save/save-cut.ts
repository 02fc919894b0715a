/** When a save stops to send content, so that what it commits is there in time. */
export interface Cut extends Disposable {
  /** Aborts at that moment. */
  readonly signal: AbortSignal
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The base has been read and the tree scanned: how long that took tells how long the commit will take. */
  planCommit(): void
  /** Nothing more can be sent in time. */
  end(): void
}

// A commit does what came before the content once more, the other way round: it makes and puts a manifest where that was read and
// compared with the tree, asks as many requests, and meets the same machine. Others may commit beside it.
const COMMIT_LEAST_MS = 300
const COMMIT_TIMES = 1.5
// When hardly any time is left, some of it still goes into content.
const GREATEST_SHARE = 0.5

/** `deadline` in milliseconds since the epoch. */
export function startCut(deadline: number | undefined): Cut | undefined {
  if (deadline === undefined) return undefined
  const controller = new AbortController()
  const startedAt = performance.now()
  const end = (): void => controller.abort(new Error('the time of the save is over'))
  let timer: NodeJS.Timeout | undefined
  let at = 0
  const plan = (): void => {
    clearTimeout(timer)
    const tookMs = performance.now() - startedAt
    const leftMs = Math.max(0, deadline - Date.now())
    const reserveMs = Math.min(leftMs * GREATEST_SHARE, COMMIT_LEAST_MS + tookMs * COMMIT_TIMES)
    at = deadline - reserveMs
    timer = setTimeout(end, Math.min(leftMs - reserveMs, LONGEST_TIMER_MS))
  }
  plan()
  return {
    signal: controller.signal,
    get at() {
      return at
    },
    planCommit: plan,
    end,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

// Node's timers hold 31 bits and fire at once for more.
const LONGEST_TIMER_MS = 2 ** 31 - 1

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
