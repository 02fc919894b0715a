import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'

/** A folder that stays from one bench to the next; made when it is missing. */
export function cacheFolder(name: 'bin' | 'native' | 'peers' | 'trees'): string {
  const cache = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache')
  const folder = path.join(cache, 'berth-test', name)
  fs.mkdirSync(folder, { recursive: true })
  return folder
}
