import { BerthError, isBerthError } from '../error.ts'

export interface Attempts<Item, Result> {
  /** How many are under way at once. */
  atOnce: number
  signal: AbortSignal
  /** The code of what the system refuses (`ENOSPC`, …): that is a user's to cure as well. */
  code: string
  /** Begins the message of such a failure: what could not be done, and to what. */
  what: (item: Item) => string
  act: (item: Item) => Promise<Result>
}

/**
 * Does the same to every item, a few at once, and answers in their order. An item's failure is its own result and the others go on; a
 * bug, or the signal's reason, is thrown when those under way have ended.
 */
export async function attemptEach<Item, Result>(
  items: readonly Item[],
  { atOnce, signal, code, what, act }: Attempts<Item, Result>,
): Promise<(Result | BerthError)[]> {
  const results: (Result | BerthError)[] = []
  const queue = items.entries()
  const work = async () => {
    for (const [index, item] of queue) {
      signal.throwIfAborted()
      results[index] = await act(item).catch((error: unknown) =>
        asUserError(error, { code, what: what(item) }),
      )
    }
  }
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, work)
  const ended = await Promise.allSettled(workers)
  signal.throwIfAborted()
  for (const worker of ended) if (worker.status === 'rejected') throw worker.reason
  return results
}

/** A BerthError as it is, what the system refused as one; anything else is a bug and thrown with its stack. */
export function asUserError(error: unknown, { code, what }: { code: string; what: string }) {
  if (isBerthError(error)) return error
  const { code: errno, message } = error as NodeJS.ErrnoException
  if (typeof errno !== 'string' || !/^E[A-Z0-9]+$/.test(errno)) throw error
  return new BerthError(code, `${what}: ${message}`, {
    hint: 'see what the system says, and whether the disk is full or read-only',
    cause: error,
  })
}
