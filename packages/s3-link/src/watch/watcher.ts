import { setTimeout as sleep } from 'node:timers/promises'
import { shownName } from '../upload/key.ts'
import { Hints } from './hints.ts'
import { ignoring, ownNames, unfinishedNames } from './ignored.ts'
import { isOnNetwork } from './is-on-network.ts'
import type { Journal } from './journal.ts'
import { requireFiles, requireSameFolder } from './same-folder.ts'
import { scanFolder } from './scan-folder.ts'
import { SendQueue } from './send-queue.ts'
import { noteOf, pendingOf, reasonOf, statusOf, type WatchFacts } from './status-of.ts'
import { Tidying } from './tidying.ts'
import { UnfinishedFiles } from './unfinished-files.ts'
import { WaitingFiles } from './waiting-files.ts'
import type { DrainReport, WatchSettings, WatchTuning } from './watch.ts'
import type { WatchStatus } from './watch-status.ts'

const mebibyte = 1024 * 1024
const TICK_MS = 50
const IDLE_MS = 1_000
const MIN_SCAN_MS = 5_000
const MAX_SCAN_MS = 60_000
// A scan may take this part of the time.
const SCAN_SHARE = 20
// After so many scans what a killed process left is tidied up although there is a lot to send.
const LATEST_TIDY = 10

/** What happens in a folder that is watched: scans, looks, and sends, each in its own time. */
export class Watcher {
  private readonly root: string
  private settings: WatchSettings
  private readonly journal: Journal
  private readonly waiting: WaitingFiles
  private readonly queue: SendQueue
  private readonly hints: Hints
  private readonly unfinished: UnfinishedFiles
  private readonly isOurs: (name: string) => boolean
  private readonly isUnfinished: (name: string) => boolean
  private readonly tidying: Tidying
  private readonly facts: WatchFacts
  private scanning: Promise<void> = Promise.resolve()
  private nextScanAt = 0
  private tickTimer: NodeJS.Timeout | undefined
  private ticking: Promise<void> | undefined
  private isWoken = false
  private isDraining = false
  private isShared = true
  /** Whole scans that were brought to their end. */
  private scans = 0

  constructor(root: string, settings: WatchSettings, journal: Journal) {
    this.root = root
    this.settings = settings
    this.journal = journal
    this.waiting = new WaitingFiles(root, journal)
    this.unfinished = new UnfinishedFiles(root)
    this.isOurs = ignoring(ownNames)
    this.isUnfinished = ignoring([...unfinishedNames, ...(settings.ignore ?? [])])
    this.hints = new Hints(root, (name) => void this.hear(name))
    this.queue = new SendQueue({
      root,
      store: settings.store,
      prefix: settings.prefix,
      journal,
      waiting: this.waiting,
      bigTransfers: settings.bigTransfers ?? 2,
      bigFileBytes: settings.bigFileBytes ?? 16 * mebibyte,
      wake: () => this.wake(),
    })
    this.queue.adjust(settings)
    this.tidying = new Tidying({
      root,
      journal,
      isWaiting: (name) => this.waiting.all.has(name),
      isOver: () => this.facts.state !== 'watching',
      withheld: this.queue.withheld,
      halt: (error) => this.halt(error),
    })
    this.facts = {
      state: 'starting',
      reason: undefined,
      note: undefined,
      safeAsOf: undefined,
      leftOut: { unfinished: 0, symlinks: 0, special: 0, unreadable: 0 },
    }
  }

  start(): void {
    this.tickTimer = setTimeout(() => this.wake(), 0)
  }

  adjust(tuning: WatchTuning): void {
    const { isPaused, transfers, bytesPerSecond, evict, mirrorDeletes } = tuning
    const changed = { isPaused, transfers, bytesPerSecond, evict, mirrorDeletes }
    this.settings = { ...this.settings, ...changed }
    this.queue.adjust(changed)
    this.wake()
  }

  status(): WatchStatus {
    const { root, facts } = this
    const { isPartial } = this.hints
    const isDraining = this.isDraining && facts.state === 'watching'
    const note = noteOf({ root, held: this.tidying.held, isPartial })
    const state = isDraining ? 'draining' : facts.state
    return statusOf(
      { ...facts, note, state },
      {
        waiting: this.waiting,
        unfinished: this.unfinished.atWork(performance.now()),
        journal: this.journal,
        queue: this.queue,
        hints: isPartial ? 'some' : 'all',
      },
    )
  }

  async drain(deadlineMs: number): Promise<DrainReport> {
    const end = performance.now() + deadlineMs
    const scansBefore = this.scans
    this.isDraining = true
    try {
      do {
        await untilOver(end, this.scan())
        while (!this.isEmpty() && performance.now() < end) {
          this.wake()
          await sleep(Math.min(TICK_MS, Math.max(1, end - performance.now())))
        }
        // Once more: what came while the last of it was sent.
        if (this.isEmpty()) await untilOver(end, this.scan())
      } while (!this.isSafe() && performance.now() < end)
    } finally {
      this.isDraining = false
    }
    await this.journal.flush(true)
    const now = performance.now()
    const unfinished = this.unfinished.atWork(now)
    return {
      // What was not looked at is not known to be safe.
      isComplete: this.isSafe() && this.scans > scansBefore,
      remaining: pendingOf(this.waiting, unfinished, now),
      atRisk: [...this.waiting.all.values(), ...unfinished].map(({ name }) => shownName(name)),
      leftOut: this.facts.leftOut,
    }
  }

  async close(): Promise<void> {
    this.facts.state = 'closed'
    clearTimeout(this.tickTimer)
    this.hints.close()
    await this.queue.stop()
    await Promise.all([this.scanning, this.ticking, this.tidying.settled()])
    await this.journal.close()
  }

  /** Something may have happened; coalesced, so that a thousand events are one look. */
  private wake(): void {
    if (this.facts.state === 'closed') return
    if (this.ticking !== undefined) {
      this.isWoken = true
      return
    }
    clearTimeout(this.tickTimer)
    this.ticking = this.tick()
      .catch((error: unknown) => this.halt(error))
      .finally(() => {
        this.ticking = undefined
        if (this.facts.state === 'closed') return
        const isBusy = [...this.waiting.all.values()].some(({ state }) => state !== 'failing')
        const wait = this.isWoken ? 0 : isBusy ? TICK_MS : IDLE_MS
        this.isWoken = false
        this.tickTimer = setTimeout(() => this.wake(), wait)
      })
  }

  private async tick(): Promise<void> {
    const now = performance.now()
    if (now >= this.nextScanAt) void this.scan()
    const { settleMs = 250 } = this.settings
    const { isDraining, isShared } = this
    await this.unfinished.refresh(now)
    await this.waiting.settle(now, { settleMs, isDraining, isShared })
    this.queue.pump(performance.now(), isDraining)
  }

  private async hear(name: string): Promise<void> {
    if (this.facts.state === 'halted' || this.facts.state === 'closed') return
    // One that is waited for is looked at soon anyway: a big file tells of each of its thousand writes.
    const waiting = this.waiting.all.get(name)
    if (waiting !== undefined) waiting.wasHeard = true
    if (this.isOurs(name) || waiting !== undefined) return
    if (this.isUnfinished(name)) return this.unfinished.hear(name, performance.now())
    const kind = await this.waiting.look(name, performance.now())
    if (kind === 'folder') await this.scan(name)
    if (kind === 'file') this.wake()
  }

  /** One after the other; answers when one that began after the call has ended. */
  private scan(within = ''): Promise<void> {
    if (within === '') this.nextScanAt = Infinity
    this.scanning = this.scanning.then(() => this.scanNow(within)).catch(() => undefined)
    return this.scanning
  }

  private async scanNow(within: string): Promise<void> {
    if (this.facts.state === 'closed') return
    const startedAt = performance.now()
    const wallTime = Date.now()
    const seen = new Set<string>()
    const folders = new Set<string>()
    const unfinished = new Set<string>()
    const leftOut = { unfinished: 0, symlinks: 0, special: 0, unreadable: 0 }
    try {
      await requireSameFolder(this.root, this.journal, this.isFirst())
      this.isShared = await isOnNetwork(this.root)
      this.waiting.hasOwnClock = !this.isShared
      await scanFolder(
        this.root,
        {
          file: (name, facts) => {
            seen.add(name)
            this.waiting.observe(name, facts, performance.now())
          },
          folder: (name) => {
            folders.add(name)
            this.hints.listen(name)
          },
          other: (_, kind) => (leftOut[kind === 'symlink' ? 'symlinks' : 'special'] += 1),
          unfinished: (name, facts) => {
            leftOut.unfinished += 1
            unfinished.add(name)
            this.unfinished.observe(name, facts, performance.now())
          },
          unreadable: () => (leftOut.unreadable += 1),
        },
        { within, isOurs: this.isOurs, isUnfinished: this.isUnfinished },
      )
      // A folder that was there at the beginning may be gone now, with everything in it.
      await requireSameFolder(this.root, this.journal, false)
      await requireFiles(this.root, this.journal, seen.size)
      if (within === '') {
        this.hints.keep(folders)
        this.unfinished.keep(unfinished)
        await this.unfinished.refresh(performance.now(), true)
        await this.waiting.forget(seen, performance.now())
        this.facts.leftOut = leftOut
        this.finishScan(wallTime)
      }
    } catch (error) {
      this.halt(error)
    }
    if (within === '') this.planScan(performance.now() - startedAt)
    this.wake()
  }

  private finishScan(wallTime: number): void {
    this.facts.state = 'watching'
    this.facts.reason = undefined
    this.facts.scannedAt = wallTime
    this.waiting.isStarting = false
    this.waiting.hearsAll = !this.isShared && !this.hints.isPartial
    this.scans += 1
    if (this.isEmpty()) this.facts.safeAsOf = wallTime
    const isIdle = this.isEmpty() || this.scans > LATEST_TIDY
    this.tidying.begin({ settings: this.settings, isShared: this.isShared, isIdle })
  }

  private planScan(tookMs: number): void {
    const isHalted = this.facts.state === 'halted'
    const least = this.hints.isPartial || isHalted ? IDLE_MS : MIN_SCAN_MS
    const wait = Math.min(MAX_SCAN_MS, Math.max(least, tookMs * SCAN_SHARE))
    this.nextScanAt = performance.now() + wait
  }

  private isSafe(): boolean {
    return this.facts.state === 'watching' && this.isEmpty()
  }

  /** Nothing waits to be in S3. */
  private isEmpty(): boolean {
    return this.waiting.all.size === 0 && this.unfinished.atWork(performance.now()).length === 0
  }

  private isFirst(): boolean {
    return this.facts.state === 'starting'
  }

  private halt(error: unknown): void {
    if (this.facts.state === 'closed') return
    this.facts.state = 'halted'
    this.facts.reason = reasonOf(error, this.root)
  }
}

async function untilOver(end: number, work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const pause = sleep(Math.max(0, end - performance.now()), undefined, over)
  await Promise.race([work.finally(() => over.abort()), pause.catch(() => undefined)])
}
