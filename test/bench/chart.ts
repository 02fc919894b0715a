interface Bar {
  name: string
  /** Seconds. */
  value: number
}

const WIDTH = 60

/** A bar for each value, on one scale; what is far longer than the median is cut, and says so. */
export function barChart(bars: readonly Bar[]): string {
  const values = bars.map(({ value }) => value).toSorted((a, b) => a - b)
  const full = Math.min(values.at(-1) ?? 1, 4 * (values[Math.floor(values.length / 2)] ?? 1))
  const names = Math.max(...bars.map(({ name }) => name.length))
  return bars
    .map(({ name, value }) => {
      const cells = Math.max(1, Math.round((Math.min(value, full) / full) * WIDTH))
      const bar = '█'.repeat(cells) + (value > full ? '┄►' : '')
      return `${name.padEnd(names)}  ${bar} ${value.toFixed(2)} s`
    })
    .join('\n')
}
