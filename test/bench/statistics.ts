/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) return Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
}

/** Half the distance between the slowest and the fastest, as a part of the median: how far to trust it. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values)
}

/**
 * How many times as large `others` are as `ours`: the median of the rounds' own ratios, because a machine that is slow in one round is
 * slow for both.
 */
export function pairedRatio(others: readonly number[], ours: readonly number[]): number {
  const rounds = Math.min(others.length, ours.length)
  return median(
    Array.from({ length: rounds }, (_, round) => (others[round] ?? 0) / (ours[round] ?? 0)),
  )
}
