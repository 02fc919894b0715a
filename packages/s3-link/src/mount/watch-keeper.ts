import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FileStore } from '@berth/object-store'
import type { MountSpec } from '../driver/driver.ts'
import { tuningOf, type WatchOptions } from '../driver/watch-options.ts'
import { openWatch, type Watch } from '../watch/watch.ts'
import type { WatchStatus } from '../watch/watch-status.ts'
import type { Keeper, StopAnswer } from './keeper-contract.ts'
import { LinkOwnership } from './link-owner.ts'
import type { LinkStatus, StatusReason } from './link-status.ts'
import type { Colour, MountState } from './mount-state.ts'
import { readProcess } from './process-facts.ts'
import { type LinkRecord, type Registry, stateOf } from './registry.ts'
import { shownKey } from './shown-key.ts'
import { storeUrlOf } from './store-of.ts'

interface WatchKeeperParts {
  spec: MountSpec
  files: FileStore
  registry: Registry
  /** Its target is the folder itself. */
  link: LinkRecord
}

/** Watches over one folder where nothing can be mounted: what is finished in it is sent. */
export class WatchKeeper implements Keeper {
  readonly #parts: WatchKeeperParts
  readonly #ownership = new LinkOwnership()
  #watch: Watch | undefined
  #since = Date.now()
  #state: MountState = 'starting'
  #ended = false

  constructor(parts: WatchKeeperParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { spec, files, registry, link } = this.#parts
    this.#watch = await openWatch({
      folder: link.target,
      store: files,
      prefix: link.subfolder,
      state: join(stateOf(link.path), 'watch'),
      ...tuningOf(spec.options),
    })
    await registry.writeMount({
      key: spec.key,
      driver: 'watch',
      store: storeUrlOf(spec),
      mountPoint: link.target,
      cache: spec.cache,
      keeper: (await readProcess(process.pid)) ?? { pid: process.pid, startedAt: '' },
    })
    await registry.addLink(link)
    await this.tick()
  }

  giveUpStart(): void {
    // Nothing of it takes long, or leaves anything that the next start does not find.
  }

  awakened(): Promise<unknown> {
    return new Promise(() => undefined)
  }

  adjust(options: WatchOptions): void {
    this.#watch?.adjust(tuningOf(options))
  }

  async tick(): Promise<void> {
    if (this.#watch === undefined || this.#ended) return
    await this.#ownership.keep([this.#parts.link])
    await this.#publish(this.#watch.status())
  }

  async stop(deadline: number): Promise<StopAnswer> {
    const watch = this.#watch
    const { registry } = this.#parts
    if (watch === undefined) throw new Error('the watch was never opened')
    const report = await watch.drain(Math.max(0, deadline - Date.now()))
    const { isComplete, remaining, atRisk } = report
    if (!isComplete) {
      await this.#publish(watch.status())
      return { isStopped: false, pending: { ...remaining, names: atRisk }, holders: [] }
    }
    // An ending that has its time is told apart from one that hangs.
    await Promise.race([watch.close(), sleep(5_000)])
    this.#ended = true
    await this.#ownership.release([this.#parts.link])
    await registry.forget()
    return { isStopped: true, pending: remaining, holders: [] }
  }

  async #publish(seen: WatchStatus): Promise<void> {
    const { spec, registry, link } = this.#parts
    const { state, colour } = judgeWatch(seen)
    if (state !== this.#state) this.#since = Date.now()
    this.#state = state
    const { files, bytes } = seen.pending
    const status: LinkStatus = {
      version: 1,
      key: spec.key,
      driver: 'watch',
      state,
      colour,
      reason: seen.reason ?? null,
      warnings: warningsOf(seen),
      since: this.#since,
      updatedAt: Date.now(),
      store: storeUrlOf(spec),
      accessKey: shownKey(spec.credentials.accessKeyId),
      mountPoint: link.target,
      links: [{ path: link.path, user: link.user, leadsTo: 'folder' }],
      pending: seen.pending,
      safeToStop: {
        safe: seen.isSafeToStop,
        files,
        bytes,
        seconds: secondsOf(seen),
      },
      lastCanary: null,
      restarts: 0,
    }
    await registry.writeStatus(status)
  }
}

/** Null where nothing can be said of it: a service that fails sends nothing at any speed. */
function secondsOf({ remainingMs, reason }: WatchStatus): number | null {
  if (remainingMs === undefined || reason !== undefined) return null
  return Math.ceil(remainingMs / 1000)
}

/** What a watched folder's state is in the words of a mount's. */
function judgeWatch({
  state,
  reason,
  isSafeToStop,
}: Pick<WatchStatus, 'state' | 'reason' | 'isSafeToStop'>): { state: MountState; colour: Colour } {
  if (state === 'halted') return { state: 'broken', colour: 'red' }
  if (reason !== undefined) return { state: 'degraded', colour: 'red' }
  if (state === 'closed') return { state: 'stopped', colour: 'yellow' }
  if (state === 'starting') return { state: 'starting', colour: 'yellow' }
  return isSafeToStop
    ? { state: 'active', colour: 'green' }
    : { state: 'draining', colour: 'yellow' }
}

function warningsOf({ note, isPaused, leftOut }: WatchStatus): StatusReason[] {
  const { unfinished } = leftOut
  return [
    ...(note === undefined ? [] : [note]),
    ...(isPaused
      ? [
          {
            code: 's3-link/paused',
            message: 'nothing new is sent: it was told to pause',
            hint: 'link again with the option `paused: false`',
          },
        ]
      : []),
    ...(unfinished === 0
      ? []
      : [
          {
            code: 's3-link/unfinished',
            message: `${unfinished} unfinished files are on this disk only`,
            hint: 'they are sent as soon as they have their own names; remove what a program left behind',
          },
        ]),
  ]
}
