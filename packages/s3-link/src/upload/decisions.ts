/** What a HEAD says of the object, compared with the file. */
export interface ObjectFacts {
  /** Of the object that is there; undefined when there is none. */
  etag: string | undefined
  /** Of the object that we wrote under this key before, by our own journal. */
  etagWeWrote: string | undefined
  /** Its content is proven to be the file's. */
  holdsSame: boolean
}

/**
 * What may become of a key. `write`: on the condition that nothing changed since the look. `nothing`: the object is the file already.
 * `keep-both`: it is someone else's, and the file goes under another name. A name alone never decides: a counter that starts again
 * gives another picture the same one.
 */
export type RemoteDecision = 'write' | 'nothing' | 'keep-both'

export function mayOverwriteRemote(facts: ObjectFacts): RemoteDecision {
  if (facts.etag === undefined) return 'write'
  if (facts.holdsSame) return 'nothing'
  return facts.etag !== '' && facts.etag === facts.etagWeWrote ? 'write' : 'keep-both'
}

export interface LocalFacts {
  /** A look at the object, made after the last look at the file, found the file's own bytes. */
  isProven: boolean
  /** Size, times and inode are those of what was proven. */
  isUnchanged: boolean
  /** `unknown`: the open files of some process could not be read. */
  writers: 'none' | 'some' | 'unknown'
  /** The object has the name that the file has. */
  hasOwnName: boolean
  /** The last of a counted series, from which an app goes on counting. */
  isNewestOfSeries: boolean
}

/** Whether a file may be removed from this disk because S3 has it. */
export function mayDeleteLocal(facts: LocalFacts): boolean {
  return (
    facts.isProven &&
    facts.isUnchanged &&
    facts.writers === 'none' &&
    facts.hasOwnName &&
    !facts.isNewestOfSeries
  )
}
