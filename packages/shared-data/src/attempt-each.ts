import { BerthError } from '@berth/core'

interface Attempts<Item, Result> {
  atOnce: number
  signal: AbortSignal
  /** Begins the message of a failure that the system reports. */
  what: (item: Item) => string
  act: (item: Item) => Promise<Result>
}

/**
 * Does the same to every item, a few at once. An item's failure is its own result and the others go on; a bug or a cancelled step
 * throws when those under way have ended.
 */
export async function attemptEach<Item, Result>(
  items: readonly Item[],
  { atOnce, signal, what, act }: Attempts<Item, Result>,
): Promise<(Result | BerthError)[]> {
  const results: (Result | BerthError)[] = []
  const queue = items.entries()
  const work = async () => {
    for (const [index, item] of queue) {
      signal.throwIfAborted()
      results[index] = await act(item).catch((error: unknown) => asBerthError(error, what(item)))
    }
  }
  const ended = await Promise.allSettled(
    Array.from({ length: Math.min(atOnce, items.length) }, work),
  )
  signal.throwIfAborted()
  for (const worker of ended) if (worker.status === 'rejected') throw worker.reason
  return results
}

/** What the system refuses is a user's to cure; anything else stays a bug with its stack. */
function asBerthError(error: unknown, what: string): BerthError {
  if (error instanceof BerthError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) throw error
  return new BerthError('shared-data/system', `${what}: ${message}`, {
    hint: 'see what the system says, and whether the disk is full or read-only',
    cause: error,
  })
}
