import { readFileSync } from 'node:fs'

/** The text of a small file of /proc or /sys, or undefined when it can't be read: what isn't there says nothing. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** The first of these that is a whole number above zero. */
export function firstNumber(...texts: (string | undefined)[]): number | undefined {
  return texts
    .map((text) => (text && /^\d+$/.test(text) ? Number(text) : 0))
    .find((value) => value > 0)
}
