import { rmdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** Removes a directory and those around it, up to `last`, as long as they hold nothing. */
export function removeEmpty(directory: string, last: string): void {
  for (let path = directory; ; path = dirname(path)) {
    try {
      rmdirSync(path)
    } catch {
      // It holds something, or somebody else has removed it.
      return
    }
    if (path === last || path === dirname(path)) return
  }
}
