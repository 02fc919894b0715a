import { existsSync, realpathSync } from 'node:fs'
import { BerthError } from '@berth/core/error'
import { isInside } from '@berth/filesystem'
import { type ObjectStore, parseStoreUrl } from '@berth/object-store'

/**
 * Throws `archive/store-inside` when the store is the directory, or lies in it: each save would save the store too, and a restore would
 * move it away with everything else.
 */
export function refuseStoreInside(directory: string, store: ObjectStore): void {
  const location = parseStoreUrl(store.url)
  if (location.kind !== 'directory') return
  const [place, tree] = [location.path, directory].map(realPlace) as [string, string]
  if (place !== tree && !isInside(place, tree)) return
  throw new BerthError(
    'archive/store-inside',
    `could not use the store ${store.url} for \`${directory}\`: it lies inside that directory`,
    { hint: 'choose a store outside of the directory' },
  )
}

function realPlace(path: string): string {
  return existsSync(path) ? realpathSync(path) : path
}
