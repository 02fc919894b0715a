import { isBerthError } from '@berth/core/error'
import { evictFiles } from './evict.ts'
import type { Journal } from './journal.ts'
import { mirrorDeletes } from './mirror-deletes.ts'
import { dropUnfinishedUploads } from './unfinished-uploads.ts'
import type { WatchSettings } from './watch.ts'

export interface TidyingParts {
  root: string
  journal: Journal
  isWaiting: (name: string) => boolean
  /** The watch has been closed, or has halted. */
  isOver: () => boolean
  /** Names of which nothing is sent while their objects may be removed. */
  withheld: Set<string>
  /** Hears what can't be told by the next file that is sent. */
  halt: (error: unknown) => void
}

export interface TidyingRound {
  settings: Pick<WatchSettings, 'store' | 'prefix' | 'evict' | 'mirrorDeletes'>
  /** Other machines write to the folder too. */
  isShared: boolean
  /** There is time to end what a killed process left. */
  isIdle: boolean
}

/** What is done between scans: uploads that nobody goes on with are ended, and files and objects are removed where that was asked for. */
export class Tidying {
  /** Why nothing is removed from the bucket although so much is gone. */
  held: string | undefined
  private readonly parts: TidyingParts
  /** Uploads that nobody goes on with have been ended. */
  private hasBeenIdle = false
  private round: Promise<void> | undefined

  constructor(parts: TidyingParts) {
    this.parts = parts
  }

  /** Not waited for: it asks S3, and a scan must not depend on that. At most one round is under way. */
  begin(round: TidyingRound): void {
    this.round ??= this.tidy(round)
      // What S3 refuses now, the next file that is sent says as well; the next scan tries again.
      .catch((error: unknown) => (isBerthError(error) ? undefined : this.parts.halt(error)))
      .finally(() => (this.round = undefined))
  }

  async settled(): Promise<void> {
    await this.round
  }

  private async tidy({ settings, isShared, isIdle }: TidyingRound): Promise<void> {
    const { root, journal, isWaiting, isOver, withheld } = this.parts
    const { store, prefix, evict, mirrorDeletes: mirror } = settings
    const isBusy = (name: string): boolean => isOver() || isWaiting(name)
    const isFirst = isIdle && !this.hasBeenIdle
    if (isFirst) await dropUnfinishedUploads({ store, prefix, journal, isWaiting })
    if (evict !== undefined && !isShared) {
      await evictFiles({ root, journal, store, isBusy, ...evict })
    }
    this.held = undefined
    if (mirror !== undefined && !isOver()) {
      const { held } = await mirrorDeletes({ root, journal, store, isBusy, withheld, ...mirror })
      this.held = held
    }
    this.hasBeenIdle ||= isIdle
  }
}
