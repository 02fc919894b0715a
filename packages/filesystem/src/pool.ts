export interface Pool {
  /** Aborts when the outer signal does, or when a task has failed. */
  signal: AbortSignal
  /** Starts a task once there is a place for it. Throws at once when the pool has failed. */
  run: (task: () => Promise<void>) => Promise<void>
}

/**
 * Lets `body` run so many tasks at once. Ends when all of them have, never with one still running, and throws the first failure or
 * the signal's reason.
 */
export async function withPool(
  size: number,
  outer: AbortSignal | undefined,
  body: (pool: Pool) => Promise<void>,
): Promise<void> {
  const failure = new AbortController()
  const signal = outer === undefined ? failure.signal : AbortSignal.any([outer, failure.signal])
  const running = new Set<Promise<void>>()
  const fail = (error: unknown) => failure.abort(error)
  const run: Pool['run'] = async (task) => {
    while (running.size >= size) await Promise.race(running)
    signal.throwIfAborted()
    const done = task()
      .catch(fail)
      .finally(() => running.delete(done))
    running.add(done)
  }
  await body({ signal, run }).catch(fail)
  await Promise.all(running)
  signal.throwIfAborted()
}
