import { createHash } from 'node:crypto'

/** Which key it is, for who knows it: its end, and a hash that tells two with the same end apart. */
export function shownKey(accessKeyId: string): string {
  const hash = createHash('sha256').update(accessKeyId).digest('hex').slice(0, 8)
  return `…${accessKeyId.slice(-4)} (${hash})`
}
