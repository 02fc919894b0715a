import type { Journal } from './journal.ts'
import { evictFiles } from './evict.ts'
import { mirrorDeletes } from './mirror-deletes.ts'
import { dropUnfinishedUploads } from './unfinished-uploads.ts'
import type { WatchSettings } from './watch.ts'

export interface TidyRequest {
  root: string
  settings: Pick<WatchSettings, 'store' | 'prefix' | 'evict' | 'mirrorDeletes'>
  journal: Journal
  /** Other machines write to the folder too. */
  isShared: boolean
  /** For the first time nothing waits to be sent. */
  isIdle: boolean
  isWaiting: (name: string) => boolean
  /** The watch has been closed, or has halted. */
  isOver: () => boolean
  withheld: Set<string>
}

/** What is done between scans: uploads that nobody goes on with are ended, and files and objects are removed where that was asked for. */
export async function tidy(request: TidyRequest): Promise<{ held: string | undefined }> {
  const { root, journal, isShared, isIdle, isWaiting, isOver, withheld } = request
  const { store, prefix, evict, mirrorDeletes: mirror } = request.settings
  const isBusy = (name: string): boolean => isOver() || isWaiting(name)
  if (isIdle) await dropUnfinishedUploads({ store, prefix, journal, isWaiting })
  if (evict !== undefined && !isShared) await evictFiles({ root, journal, store, isBusy, ...evict })
  if (mirror === undefined || isOver()) return { held: undefined }
  const { held } = await mirrorDeletes({ root, journal, store, isBusy, withheld, ...mirror })
  return { held }
}
