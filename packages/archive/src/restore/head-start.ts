import type { Manifest } from '../format/manifest.ts'
import type { RestoreOptions } from './restore.ts'
import { type Crew, startCrew } from './restore-tree.ts'
import type { Rewritten } from '../venv/rewritten.ts'
import { type Staging, discardStaging, hasStaging } from './staging.ts'

/** A snapshot's tree while it grows. Both are `undefined` when another pod has put it in place meanwhile. */
export interface GrowingTree {
  staging: Promise<Staging | undefined>
  /** Once it is whole. */
  rewritten: Promise<Rewritten | undefined>
}

/** A restore that fills its staging while it is not yet certain that the snapshot fits. */
export interface HeadStart extends AsyncDisposable {
  /** Begins with the first snapshot that it is told of; a second one tells that the first does not fit. */
  onCandidate: (manifest: Manifest) => void
  /** What was begun of the chosen snapshot, if anything. What was begun of another is removed. */
  confirm: (manifest: Manifest) => Promise<{ crew: Crew; tree: GrowingTree | undefined }>
}

type Grow = (options: RestoreOptions, growing: { manifest: Manifest; crew: Crew }) => GrowingTree

/**
 * Starts the threads of a restore. Until a snapshot is confirmed, nothing is said of it. Nothing is begun where a cut restore left a
 * staging: it may be the one to continue, and to begin another would remove it. A user's abort leaves what was begun.
 */
export function openHeadStart(options: RestoreOptions, state: string, grow: Grow): HeadStart {
  const cut = new AbortController()
  const confirmed = Promise.withResolvers<void>()
  let crew = startCrew(options)
  let isFirst = true
  let begun: { id: string; tree: GrowingTree } | undefined
  const quiet: RestoreOptions = {
    ...options,
    signal: AbortSignal.any(options.signal ? [options.signal, cut.signal] : [cut.signal]),
    onNote: (...note) => void confirmed.promise.then(() => options.onNote?.(...note)),
    onProgress: (progress) => void confirmed.promise.then(() => options.onProgress?.(progress)),
  }

  async function discard({ tree }: { tree: GrowingTree }): Promise<void> {
    begun = undefined
    cut.abort(new Error('another snapshot is restored'))
    // A thread writes until it has ended.
    await crew[Symbol.asyncDispose]()
    await Promise.allSettled([tree.rewritten])
    using staging = await tree.staging.catch(() => undefined)
    if (staging !== undefined && options.signal?.aborted !== true) await discardStaging(staging)
  }

  return {
    onCandidate: (manifest) => {
      if (!isFirst) cut.abort(new Error('another snapshot is restored'))
      else if (!hasStaging(state))
        begun = { id: manifest.id, tree: grow(quiet, { manifest, crew }) }
      isFirst = false
    },
    confirm: async ({ id }) => {
      // What was begun may be whole already, and would ask no more.
      options.signal?.throwIfAborted()
      if (begun !== undefined && begun.id !== id) {
        await discard(begun)
        crew = startCrew({ ...options, threads: undefined })
      } else confirmed.resolve()
      const tree = begun?.tree
      begun = undefined
      return { crew, tree }
    },
    async [Symbol.asyncDispose]() {
      // Why there is no choice matters more than what is left, which the next restore removes.
      if (begun !== undefined) await discard(begun).catch(() => {})
      await crew[Symbol.asyncDispose]()
    },
  }
}
