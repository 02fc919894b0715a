/** The process's umask, read without changing it: `process.umask()` would set it to 0 for a moment, for all threads. */
import { readFileSync } from 'node:fs'

const FALLBACK = 0o022

export function readUmask(): number {
  try {
    const line = /^Umask:\s*([0-7]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    return line?.[1] === undefined ? FALLBACK : Number.parseInt(line[1], 8)
  } catch {
    // Without /proc every mode is set explicitly where it could differ.
    return 0o777
  }
}
