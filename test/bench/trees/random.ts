/** A sequence that looks random and is the same for the same seed. */
export interface Random {
  /** From 0, below 1. */
  next: () => number
  /** From 0, below `end`; the lower the more often. */
  low: (end: number) => number
  shuffle: <Value>(values: Value[]) => Value[]
}

/** Mulberry32: good enough for content that only has to compress like code. */
export function createRandom(seed: number): Random {
  let state = seed | 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    low: (end) => Math.floor(end * next() ** 3),
    shuffle: (values) => {
      for (let last = values.length - 1; last > 0; last -= 1) {
        const other = Math.floor(next() * (last + 1))
        const value = values[last]
        values[last] = values[other] as (typeof values)[number]
        values[other] = value as (typeof values)[number]
      }
      return values
    },
  }
}
