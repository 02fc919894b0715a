/** Aborted by the first SIGINT or SIGTERM: what runs is ended, and everything that was made is taken away. */
export const interruption = new AbortController()

/** For whoever goes on after a failure: not after this one. */
export function rethrowInterruption(error: unknown): void {
  if (interruption.signal.aborted) throw error
}
