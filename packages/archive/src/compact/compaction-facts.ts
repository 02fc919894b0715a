import type { Compacted } from './compact.ts'

/** What a step tells of a compaction: nothing when there was none. */
export function compactionFacts(compacted: Compacted | undefined): {
  compacted?: Omit<Compacted, 'snapshot' | 'generation'>
} {
  if (compacted === undefined) return {}
  const { deadBytes, rewrittenBytes, chunksBefore, chunksAfter } = compacted
  return { compacted: { deadBytes, rewrittenBytes, chunksBefore, chunksAfter } }
}
