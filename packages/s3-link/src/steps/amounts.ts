const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** So many files and bytes, for people: `1 file, 12 B`, `312 files, 1.2 GiB`. */
export function amountText({ files, bytes }: { files: number; bytes: number }): string {
  return `${files} ${files === 1 ? 'file' : 'files'}, ${sizeText(bytes)}`
}

/** With one decimal from KiB on. */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** How long something will take, as well as that is known: `40 s`, `12 min`. */
export function roughTime(seconds: number): string {
  return seconds < 120 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`
}
