import { existsSync, realpathSync } from 'node:fs'
import { BerthError } from '@berth/core/error'
import { isInside } from '@berth/filesystem'
import { parseStoreUrl } from '@berth/object-store'

/**
 * Throws `archive/store-inside` when the store is the directory, or lies in it: each save would save the store too, and a restore would
 * move it away with everything else. An empty URL is no store.
 */
export function refuseStoreInside(directory: string, storeUrl: string): void {
  if (storeUrl === '') return
  const location = parseStoreUrl(storeUrl)
  if (location.kind !== 'directory') return
  const [place, tree] = [location.path, directory].map(realPlace) as [string, string]
  if (place !== tree && !isInside(place, tree)) return
  throw new BerthError(
    'archive/store-inside',
    `could not use the store ${storeUrl} for \`${directory}\`: it lies inside that directory`,
    { hint: 'choose a store outside of the directory' },
  )
}

function realPlace(path: string): string {
  return existsSync(path) ? realpathSync(path) : path
}
