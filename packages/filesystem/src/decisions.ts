/** What is at the place where a directory of ours should be. */
export interface PlaceFacts {
  kind: 'absent' | 'link' | 'directory' | 'file'
  /** The link is recorded as ours, or points where ours would. */
  linkIsOurs: boolean
  /** Berth restored and completed this directory on this disk. */
  recordIsOurs: boolean
  empty: boolean
  /** What the recipe wants done with a directory that isn't ours. */
  existing?: 'aside' | 'keep' | 'fail'
}

/**
 * `create`: nothing is there. `replace`: what is there holds nothing of a user's. `aside`: rename it first. `keep`: leave it and put
 * nothing in its place. `refuse`: say so and fail.
 */
export type PlaceDecision = 'create' | 'replace' | 'aside' | 'keep' | 'refuse'

/** Decides what may become of what is already there. No answer ever deletes a file or a directory that holds something. */
export function mayReplaceDirectory(facts: PlaceFacts): PlaceDecision {
  if (facts.kind === 'absent') return 'create'
  if (facts.kind === 'link') return facts.linkIsOurs ? 'replace' : 'refuse'
  if (facts.kind === 'directory' && facts.empty) return 'replace'
  // What a user changed since the restore lives only here.
  if (facts.kind === 'directory' && facts.recordIsOurs) return 'keep'
  return { aside: 'aside', keep: 'keep', fail: 'refuse' }[
    facts.existing ?? 'aside'
  ] as PlaceDecision
}

export interface LeaseFacts {
  nowMs: number
  expiresAtMs: number
  ttlMs: number
  /** How long ago the file was written, by the clock of its own file system: the holder's clock may be wrong. */
  ageMs: number
}

/** A lease may be taken from its holder when it has been over for a whole term, by both clocks. */
export function mayStealLease({ nowMs, expiresAtMs, ttlMs, ageMs }: LeaseFacts): boolean {
  return nowMs > expiresAtMs + ttlMs && ageMs > 2 * ttlMs
}
