import { basename } from 'node:path'
import { BerthError } from '@berth/core/error'
import { refuseSystemRoot } from '@berth/filesystem'
import { checkArchiveName } from '../format/name.ts'
import type { ArchiveOptions } from '../options.ts'
import { refuseStoreInside } from '../snapshots/store-place.ts'

/** Refuses what can't be meant, before anything is touched. */
export function refuseUnusable({ store, name }: ArchiveOptions, directory: string): void {
  checkArchiveName(name)
  refuseSystemRoot(directory)
  refuseStoreInside(directory, store.url)
  if (basename(directory) !== '.berth') return
  throw new BerthError(
    'archive/own-state',
    `could not use \`${directory}\`: berth keeps its own state in directories of that name`,
    { hint: 'name another directory' },
  )
}
