/** Who asked for the end, with the reason where one was given: `berth shutdown` (preStop). */
export function askedBy({ reason }: { reason?: string }): string {
  return `\`berth shutdown\`${reason === undefined ? '' : ` (${reason})`}`
}
