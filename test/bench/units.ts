/** Numbers as a reader of a table wants them. */

export function seconds(value: number): string {
  return `${value.toFixed(2)} s`
}

export function milliseconds(value: number): string {
  return `${value.toFixed(0)} ms`
}

export function times(value: number): string {
  return `${value.toFixed(2)} ×`
}

export function percent(part: number): string {
  return `${Math.round(part * 100)} %`
}

export function plain(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(2)
}

export function kib(bytes: number): string {
  return `${Math.round(bytes / 1024).toLocaleString('en')} KiB`
}

export function mib(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20).toLocaleString('en')} MiB`
}

export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`
}
