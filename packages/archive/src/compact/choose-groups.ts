import type { ChunkUse, GroupUse } from './chunk-use.ts'

/** When a compaction is worth it, and how much of it is done at once. */
export interface CompactBounds {
  /** Stored bytes: less than that is fetched before anybody notices. */
  leastDeadBytes: number
  /** So many small groups are left alone. */
  smallGroups: number
  /** Bytes of what is read and of what is written anew in one save, at most. */
  roundBytes: number
}

export const COMPACT_BOUNDS: CompactBounds = {
  leastDeadBytes: 1024 * 1024,
  // Each costs a request: 16 under way over a link of 20 ms, as measured, 1.7 ms; so many the twentieth of a second.
  smallGroups: 32,
  // What an uplink of 10 Mbit/s sends in less than the two minutes that commonly lie between two saves.
  roundBytes: 96 * 1024 * 1024,
}

/** Compaction begins when a restore fetches more than this share for nothing, and goes on until it is half of it. */
const DEAD_SHARE = 1 / 4
/** Raw. No full group is as small: a group ends at four times this, or with its 3,000 files. */
const SMALL_BYTES = 1024 * 1024

/**
 * The groups that are worth being written anew, by number: where more than a quarter of what a restore fetches is dead, those with the
 * greatest dead share; where there are very many small ones, those. Never more than `roundBytes`, so that the rest is left to the next
 * time. What is written anew is neither: so this comes to an end.
 */
export function chooseGroups(use: ChunkUse, bounds: CompactBounds): number[] {
  const chosen = new Set<GroupUse>()
  let room = bounds.roundBytes
  const choose = (group: GroupUse): void => {
    const cost = Math.max(group.live, group.stored)
    if (cost > room && chosen.size > 0) return
    room -= cost
    chosen.add(group)
  }
  let fetched = use.fetched
  let dead = use.groups.reduce((sum, group) => sum + group.dead, 0)
  if (dead >= bounds.leastDeadBytes && dead > fetched * DEAD_SHARE)
    for (const group of use.groups.toSorted((a, b) => share(b) - share(a))) {
      if (dead <= (fetched * DEAD_SHARE) / 2) break
      choose(group)
      dead -= group.dead
      fetched -= group.dead
    }
  const small = use.groups.filter((group) => group.live < SMALL_BYTES)
  if (small.length > bounds.smallGroups)
    for (const group of small.toSorted((a, b) => a.live - b.live))
      if (!chosen.has(group)) choose(group)
  return [...chosen].map(({ number }) => number).toSorted((a, b) => a - b)
}

function share({ dead, stored }: GroupUse): number {
  return dead / stored
}
