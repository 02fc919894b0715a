import { existsSync } from 'node:fs'
import { BerthError, type BerthErrorDetails } from '@berth/core/error'
import type { ObjectStore } from '@berth/object-store'
import { nearest } from './nearest.ts'

// A hint is one line; the list has the rest.
const MAX_NAMED = 5

/** The error for an archive that a store does not hold; it names what is there and was probably meant. */
export async function missingArchive(
  store: ObjectStore,
  name: string,
  signal: AbortSignal | undefined,
): Promise<BerthError> {
  const { listArchives } = await import('@berth/archive')
  const names = await listArchives(store, { signal })
  return new BerthError(
    'archive/missing-snapshot',
    `there is no archive \`${name}\` in ${store.url}`,
    hintFrom(name, names, store.url),
  )
}

/** Why a store has no archives. A directory that is not there is rather a typo. */
export function emptyStore(url: string): string {
  const isThere = !url.startsWith('file://') || existsSync(url.slice('file://'.length))
  return isThere ? 'this one is empty' : 'there is no such directory'
}

function hintFrom(name: string, names: readonly string[], url: string): BerthErrorDetails {
  if (names.length === 0)
    return { hint: `save one first, or name another store: ${emptyStore(url)}` }
  const near = nearest(name, names)
  const similar = names.filter(
    (other) => other === near || other.startsWith(`${name}/`) || other.split('/').includes(name),
  )
  const named = (similar.length > 0 ? similar : names).slice(0, MAX_NAMED)
  return {
    hint: `name one that is there, such as ${named.map((other) => `\`${other}\``).join(', ')}`,
  }
}
