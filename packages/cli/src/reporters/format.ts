const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** A size with one decimal in binary units, from KiB on: `3.1 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes)
  let unit = 0
  while (value >= 1023.95 && unit < binaryUnits.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${binaryUnits[unit]}`
}

/** A whole number with thin groups of thousands: `41,812`. */
export function formatCount(count: number): string {
  if (!Number.isInteger(count)) return String(Number(count.toFixed(2)))
  // Intl takes 15 ms to start.
  return String(count).replace(/\d(?=(?:\d{3})+$)/g, '$&,')
}

/** A duration for people: `12 ms`, `19.5 s`, `3 min 20 s`, `2 h 5 min`. */
export function formatDuration(durationMs: number): string {
  const milliseconds = Math.max(0, Math.round(durationMs))
  if (milliseconds < 100) return `${milliseconds} ms`
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/** Time since the start as the first column shows it: `00:19.8`, and `1:02:03` from an hour on. */
export function formatElapsed(elapsedMs: number): string {
  const tenths = Math.max(0, Math.floor(elapsedMs / 100))
  const seconds = Math.floor(tenths / 10)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (seconds < 3600) return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}.${tenths % 10}`
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

/** An amount in its unit, as progress events carry it. */
export function formatAmount(amount: number, unit: 'bytes' | 'files' | 'requests'): string {
  return unit === 'bytes' ? formatBytes(amount) : `${formatCount(amount)} ${unit}`
}
