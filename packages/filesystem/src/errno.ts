/** Says whether a thrown value is a system error with one of these codes (`ENOENT`, …). */
export function hasErrno(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}

/** The system's own words for a failure, without Node's prefix: `EACCES: permission denied`. */
export function errnoMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(/, \w+( '.*)?$/s, '')
}
